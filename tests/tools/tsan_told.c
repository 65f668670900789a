/*
 * What ThreadSanitizer must be told, in builds with --enable-tsan. libevent tells the kernel once a turn
 * what changed (EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST), so that the removal of a descriptor that
 * was closed meanwhile comes too late: its number may by then be one that a worker has opened.
 * The kernel answers that it watches no such thing, libevent expects that answer, and nothing is
 * touched. ThreadSanitizer takes it for a use, though, beside the worker's close(). So removals
 * pass it by; all other changes are what they are to it, a use of the descriptor by the loop.
 */
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Two conversations with PAM at one time: libaudit, by which modules tell of logins, keeps the name of the
 * program in a buffer that all threads write, each the same.
 */
const char *__tsan_default_suppressions(void);

const char *__tsan_default_suppressions(void)
{
	return "race:libaudit.so.1\n";
}

/* The one of ThreadSanitizer, which the one below stands before. */
int __interceptor_epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event);

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
	if (operation == EPOLL_CTL_DEL)
		return (int)syscall(SYS_epoll_ctl, epoll_fd, operation, fd, event);
	return __interceptor_epoll_ctl(epoll_fd, operation, fd, event);
}
