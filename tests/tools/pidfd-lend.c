/*
 * pidfd_open() for programs under valgrind 3.19, which does not know the system
 * call. Built twice from here: a library that LD_PRELOAD puts before the C
 * library's pidfd_open() starts the program PIDFD_LENDER, which valgrind leaves
 * alone; that one opens the descriptor, hands it over by SCM_RIGHTS, and ends.
 * An errno comes as it is. The descriptor is the caller's, close-on-exec as the
 * kernel's own.
 */
#define _GNU_SOURCE 1 /* MSG_CMSG_CLOEXEC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Room for one descriptor beside the errno, which is 0 when the descriptor is there. */
struct parcel {
	struct msghdr message;
	struct iovec iov;
	int error;
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
};

static void parcel_init(struct parcel *parcel)
{
	memset(parcel, 0, sizeof(*parcel));
	parcel->iov = (struct iovec){ .iov_base = &parcel->error, .iov_len = sizeof(parcel->error) };
	parcel->message.msg_iov = &parcel->iov;
	parcel->message.msg_iovlen = 1;
	parcel->message.msg_control = parcel->control.bytes;
	parcel->message.msg_controllen = sizeof(parcel->control.bytes);
}

#ifdef PIDFD_LENDER

static int borrow(int from)
{
	struct parcel parcel;
	const struct cmsghdr *header;
	int fd = -1;

	parcel_init(&parcel);
	if (recvmsg(from, &parcel.message, MSG_CMSG_CLOEXEC) != (ssize_t)sizeof(parcel.error)) {
		errno = EPROTO;
		return -1;
	}
	header = CMSG_FIRSTHDR(&parcel.message);
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	errno = parcel.error;
	return fd;
}

static _Noreturn void run_lender(pid_t pid, int socket)
{
	char *const none_of_ours[] = { NULL }; /* LD_PRELOAD would make it borrow from another one, and so on */
	char text[16];
	sigset_t none;

	snprintf(text, sizeof(text), "%d", (int)pid);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(socket, 0) == 0)
		execle(PIDFD_LENDER, PIDFD_LENDER, text, (char *)NULL, none_of_ours);
	_exit(127);
}

int pidfd_open(pid_t pid, unsigned flags)
{
	int ends[2], fd, error;
	pid_t lender;

	if (flags) {
		errno = EINVAL;
		return -1;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -1;
	lender = fork();
	if (lender == 0)
		run_lender(pid, ends[1]);
	close(ends[1]);
	fd = lender < 0 ? -1 : borrow(ends[0]);
	error = errno;
	close(ends[0]);
	while (lender > 0 && waitpid(lender, NULL, 0) < 0 && errno == EINTR)
		;
	errno = error;
	return fd;
}

#else

int main(int argc, char **argv)
{
	struct parcel parcel;
	struct cmsghdr *header;
	int fd = argc == 2 ? pidfd_open(atoi(argv[1]), 0) : -1;

	parcel_init(&parcel);
	if (fd < 0) {
		parcel.error = argc == 2 ? errno : EINVAL;
		parcel.message.msg_controllen = 0;
	} else {
		header = CMSG_FIRSTHDR(&parcel.message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	}
	return sendmsg(0, &parcel.message, MSG_NOSIGNAL) == (ssize_t)sizeof(parcel.error) ? 0 : 1;
}

#endif
