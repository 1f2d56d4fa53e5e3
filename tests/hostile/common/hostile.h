/* What the hostile programs share: their verdicts, and what they are told of the world around the sandbox.
 *
 * A program is `int main` in a file of its own. `build.sh` links all of them into one static executable, `hostile`, whose
 * first argument names the program; `dispatch.c` refuses to start any of them outside a throwaway namespace. */
#ifndef HOSTILE_H
#define HOSTILE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* Exit codes. */
enum { GOT_THROUGH = 0, HELD = 1, COULD_NOT_TRY = 2 };

/* What everything worth stealing outside the sandbox contains; see witness.c. */
#define CANARY "canary-of-the-host"

/* One line that says what happened, and the verdict. */
__attribute__((format(printf, 2, 3))) static inline int verdict(int code, const char *format, ...) {
    static const char *const words[] = {"GOT THROUGH", "held", "could not try"};
    va_list list;
    va_start(list, format);
    printf("%s: ", words[code]);
    vprintf(format, list);
    printf("\n");
    fflush(stdout);
    va_end(list);
    return code;
}

/* A variable that the witness sets. Without it there is nothing to attack. */
static inline const char *given(const char *name) {
    const char *value = getenv(name);
    if (value == NULL) {
        exit(verdict(COULD_NOT_TRY, "%s is not set", name));
    }
    return value;
}

/* Whether this is the control: the same attack without a sandbox. */
static inline bool is_control(void) {
    return getenv("HOSTILE_CONTROL") != NULL;
}

/* A path below the stage, which is the part of the host that the test made. */
static inline const char *stage(const char *relative) {
    static char paths[4][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", given("HOSTILE_STAGE"), relative);
    return path;
}

/* The verdict on a system call that must not be there at all, whatever its arguments: even an answer like "invalid
 * argument" shows that the kernel's code behind it was reached. */
static inline int reached(const char *what, long result) {
    if (result >= 0) {
        return verdict(GOT_THROUGH, "%s worked", what);
    }
    bool absent = errno == ENOSYS || errno == EAFNOSUPPORT || errno == EPROTONOSUPPORT || errno == ESOCKTNOSUPPORT;
    if (absent && is_control()) {
        return verdict(COULD_NOT_TRY, "%s: %s", what, strerror(errno));
    }
    if (absent || errno == EPERM || errno == EACCES) {
        return verdict(HELD, "%s: %s", what, strerror(errno));
    }
    return verdict(GOT_THROUGH, "%s reached the kernel's code: %s", what, strerror(errno));
}

/* The verdict on something that may fail in whatever way. */
static inline int worked(const char *what, bool it_worked) {
    if (it_worked) {
        return verdict(GOT_THROUGH, "%s", what);
    }
    return verdict(HELD, "%s: %s", what, strerror(errno));
}

/* Whether the first bytes of an open file hold the canary. */
static inline bool holds_canary(int fd) {
    static char bytes[1 << 16];
    ssize_t length = read(fd, bytes, sizeof bytes);
    return length > 0 && memmem(bytes, (size_t)length, CANARY, strlen(CANARY)) != NULL;
}

/* Whether a file can be read and holds the canary. */
static inline bool steals(const char *path) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool stolen = holds_canary(fd);
    close(fd);
    return stolen;
}

/* Whether a file opens for writing. Nothing is written, so that a control does no harm. */
static inline bool opens_for_writing(const char *path) {
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

/* Calls `visit` with every process that is visible, until it returns true. */
static inline bool any_process(bool (*visit)(pid_t pid)) {
    DIR *proc = opendir("/proc");
    if (proc == NULL) {
        return false;
    }
    bool found = false;
    for (struct dirent *entry; !found && (entry = readdir(proc)) != NULL;) {
        pid_t pid = atoi(entry->d_name);
        found = pid > 0 && visit(pid);
    }
    closedir(proc);
    return found;
}

/* Writes a string into a file that exists. */
static inline bool put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return written;
}

/* The exit code of a function run in a child, or -1 if it died by a signal. */
static inline int in_child(int (*run)(void)) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(run());
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
