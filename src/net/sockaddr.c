#include "net/sockaddr.h"

#include <netinet/in.h>

socklen_t sockaddr_from_addr(struct sockaddr_storage *to, const struct addr *from)
{
	memset(to, 0, sizeof(*to));
	if (from->family == ADDR_IPV4) {
		struct sockaddr_in *in = (struct sockaddr_in *)to;

		in->sin_family = AF_INET;
		in->sin_port = htons(from->port);
		memcpy(&in->sin_addr, from->ip, 4);
		return sizeof(*in);
	}
	if (from->family == ADDR_IPV6) {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)to;

		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(from->port);
		in6->sin6_scope_id = from->scope_id;
		memcpy(&in6->sin6_addr, from->ip, 16);
		return sizeof(*in6);
	}
	return 0;
}

struct addr sockaddr_to_addr(const struct sockaddr_storage *from)
{
	struct addr to = { 0 };

	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)from;

		to.family = ADDR_IPV4;
		to.port = ntohs(in->sin_port);
		memcpy(to.ip, &in->sin_addr, 4);
	} else if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
		bool is_mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

		to.family = is_mapped ? ADDR_IPV4 : ADDR_IPV6;
		to.port = ntohs(in6->sin6_port);
		to.scope_id = is_mapped ? 0 : in6->sin6_scope_id;
		memcpy(to.ip, in6->sin6_addr.s6_addr + (is_mapped ? 12 : 0), is_mapped ? 4 : 16);
	}
	return to;
}
