#include "base/log_sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

static struct {
	int fd;
	bool can_block; /* a pipe or a socket: its reader may be slow */
	int syslog_fd;  /* owned; -1: none */
	unsigned facility;
	char tag[64];
	struct sockaddr_un syslog_addr;
	unsigned lost;
} sink = { .fd = STDERR_FILENO, .syslog_fd = -1 };

void log_sink_open(int fd)
{
	struct stat st;

	sink.fd = fd;
	sink.can_block = fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode));
}

bool log_sink_is_journal(int fd)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && fstat(fd, &st) == 0 && st.st_dev == dev &&
	       st.st_ino == ino;
}

/* A pipe that polls writable takes PIPE_BUF bytes without blocking (pipe(7)). */
static bool has_room(void)
{
	struct pollfd p = { .fd = sink.fd, .events = POLLOUT };

	return !sink.can_block || poll(&p, 1, 0) == 1;
}

size_t log_sink_write(struct span lines)
{
	size_t done = 0;

	while (done < lines.len && has_room()) {
		size_t piece = lines.len - done;

		if (sink.can_block && piece > PIPE_BUF)
			piece = PIPE_BUF;
		ssize_t n = write(sink.fd, lines.ptr + done, piece);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return lines.len; /* nobody is left to tell */
		done += (size_t)n;
	}
	return done;
}

static void close_syslog(void)
{
	if (sink.syslog_fd >= 0)
		close(sink.syslog_fd);
	sink.syslog_fd = -1;
}

bool log_sink_open_syslog(const char *path, unsigned facility, const char *tag, struct err *err)
{
	close_syslog();
	if (!path)
		return true;
	if (strlen(path) >= sizeof(sink.syslog_addr.sun_path))
		return err_set(err, "the syslog socket's path is too long: %s", path);
	sink.syslog_addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(sink.syslog_addr.sun_path, path, strlen(path) + 1);
	sink.facility = facility;
	snprintf(sink.tag, sizeof(sink.tag), "%s", tag);
	sink.syslog_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return sink.syslog_fd >= 0 || err_set_errno(err, "cannot make a socket for syslog");
}

bool log_sink_has_syslog(void)
{
	return sink.syslog_fd >= 0;
}

/* The form that syslog(3) uses on the local socket; the daemon adds the time. Not connected: it may be restarted. */
void log_sink_syslog(unsigned severity, struct span line)
{
	char head[96];
	int len = snprintf(head, sizeof(head), "<%u>%s[%ld]: ", sink.facility * 8 + severity, sink.tag,
			   (long)getpid());
	struct iovec parts[2] = {
		{ .iov_base = head, .iov_len = (size_t)len },
		{ .iov_base = (void *)(uintptr_t)line.ptr, .iov_len = line.len },
	};
	struct msghdr message = {
		.msg_name = &sink.syslog_addr,
		.msg_namelen = sizeof(sink.syslog_addr),
		.msg_iov = parts,
		.msg_iovlen = 2,
	};

	if (sendmsg(sink.syslog_fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		sink.lost++;
}

unsigned log_sink_lost(void)
{
	return sink.lost;
}

unsigned log_sink_take_lost(void)
{
	unsigned lost = sink.lost;

	sink.lost = 0;
	return lost;
}

void log_sink_note_lost(unsigned lines)
{
	sink.lost += lines;
}
