/* Preloaded into git-mimo and every git it starts: at the k-th call of all of them together that changes a file, the
   whole command dies, or that call fails. Built by `killed_commands.py`; begins by itself in git, in a fork when asked.

   FAULT_COUNT names a file of three counters: calls so far, whether the fault came, the process to kill.
   FAULT_AT is k, FAULT_ERRNO what the call fails with (0: SIGKILL), FAULT_STAYS whether all later calls fail too. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static long *shared;
static long at, failure, stays;

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

__attribute__((constructor)) void begin_faults(void) {
    const char *path = getenv("FAULT_COUNT");
    if (!path)
        return;
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    int handle = real(path, O_RDWR);
    if (handle < 0)
        return;
    void *found = mmap(NULL, 3 * sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
    close(handle);
    if (found == MAP_FAILED)
        return;
    at = number("FAULT_AT"), failure = number("FAULT_ERRNO"), stays = number("FAULT_STAYS");
    shared = found;
    __sync_bool_compare_and_swap(&shared[2], 0, (long)getpid());
}

static int fails(int removes) {
    if (!shared)
        return 0;
    long count = __sync_add_and_fetch(&shared[0], 1);
    if (count < at || (failure && removes)) /* a removal needs no room: the next call fails instead */
        return 0;
    if (!__sync_bool_compare_and_swap(&shared[1], 0, 1) && !stays)
        return 0;
    if (failure) {
        errno = (int)failure;
        return 1;
    }
    kill((pid_t)shared[2], SIGKILL);
    kill(getpid(), SIGKILL);
    return 0;
}

static int is_file(int handle) {
    struct stat found;
    return shared && fstat(handle, &found) == 0 && S_ISREG(found.st_mode);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define ONE(name, declared, given, removes) \
    int name declared {                     \
        REAL(name);                         \
        return fails(removes) ? -1 : real given; \
    }
#define ON_HANDLE(result, name, declared, given)                \
    result name declared {                                      \
        REAL(name);                                             \
        return is_file(handle) && fails(0) ? -1 : real given;   \
    }

ON_HANDLE(ssize_t, write, (int handle, const void *data, size_t size), (handle, data, size))
ON_HANDLE(ssize_t, pwrite, (int handle, const void *data, size_t size, off_t where), (handle, data, size, where))
ON_HANDLE(ssize_t, pwrite64, (int handle, const void *data, size_t size, off64_t where), (handle, data, size, where))
ON_HANDLE(int, fsync, (int handle), (handle))
ON_HANDLE(int, fdatasync, (int handle), (handle))
ON_HANDLE(int, ftruncate, (int handle, off_t size), (handle, size))
ON_HANDLE(int, ftruncate64, (int handle, off64_t size), (handle, size))
ONE(rename, (const char *from, const char *to), (from, to), 0)
ONE(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), 0)
ONE(renameat2, (int a, const char *from, int b, const char *to, unsigned int flags), (a, from, b, to, flags), 0)
ONE(link, (const char *from, const char *to), (from, to), 0)
ONE(linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags), 0)
ONE(symlink, (const char *text, const char *path), (text, path), 0)
ONE(symlinkat, (const char *text, int a, const char *path), (text, a, path), 0)
ONE(mkdir, (const char *path, mode_t mode), (path, mode), 0)
ONE(mkdirat, (int a, const char *path, mode_t mode), (a, path, mode), 0)
ONE(rmdir, (const char *path), (path), 1)
ONE(unlink, (const char *path), (path), 1)
ONE(unlinkat, (int a, const char *path, int flags), (a, path, flags), 1)

#define OPEN(name)                                              \
    int name(const char *path, int flags, ...) {                \
        REAL(name);                                             \
        va_list rest;                                           \
        va_start(rest, flags);                                  \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                           \
        return flags & O_CREAT && fails(0) ? -1 : real(path, flags, mode); \
    }
#define OPENAT(name)                                            \
    int name(int where, const char *path, int flags, ...) {     \
        REAL(name);                                             \
        va_list rest;                                           \
        va_start(rest, flags);                                  \
        mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                           \
        return flags & O_CREAT && fails(0) ? -1 : real(where, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)
