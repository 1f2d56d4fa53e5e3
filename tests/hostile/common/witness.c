/* The world around an attack, and the judge of its effects.
 *
 *     witness control|host STAGE -- COMMAND...
 *
 * Makes what there is to attack (a process, sockets, a service, open descriptors and variables of a careless launcher), runs
 * the command, lets the host use its workspace, and prints `witness: exit=N harm=a,b`. `control` must be PID 1 of a throwaway
 * namespace and puts stand-ins over files of the system; `host` is for a command that starts a sandbox.
 *
 * harm: file (something beside the workspace changed), guarded (a guarded file of the workspace changed), owned (the host
 * executed what was planted), victim (a process died), connected (a service or socket was reached), hostname. */
#include "hostile.h"

#include <netinet/in.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/un.h>
#include <time.h>

#define SERVICES 7

static char stage_dir[PATH_MAX];
/* Counts what was reached; shared with the process that serves. */
static volatile int *connections;

static void fail(const char *what) {
    printf("witness: exit=2 harm= error=%s: %s\n", what, strerror(errno));
    exit(125);
}

static void set(const char *name, const char *format, ...) {
    char value[PATH_MAX];
    va_list list;
    va_start(list, format);
    vsnprintf(value, sizeof value, format, list);
    va_end(list);
    setenv(name, value, 1);
}

/* FNV-1a. */
static void mix(uint64_t *hash, const void *bytes, size_t length) {
    for (const unsigned char *byte = bytes; length > 0; length--, byte++) {
        *hash = (*hash ^ *byte) * 0x100000001b3;
    }
}

/* Takes in everything below a path: names, kinds, permissions, owners, contents. */
static void take(uint64_t *hash, const char *path) {
    struct stat stat;
    mix(hash, path, strlen(path));
    if (lstat(path, &stat) != 0) {
        return;
    }
    mix(hash, &stat.st_mode, sizeof stat.st_mode);
    mix(hash, &stat.st_uid, sizeof stat.st_uid);
    char bytes[1 << 14];
    ssize_t length;
    if (S_ISLNK(stat.st_mode) && (length = readlink(path, bytes, sizeof bytes)) > 0) {
        mix(hash, bytes, (size_t)length);
    } else if (S_ISREG(stat.st_mode)) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        while (fd >= 0 && (length = read(fd, bytes, sizeof bytes)) > 0) {
            mix(hash, bytes, (size_t)length);
        }
        close(fd);
    } else if (S_ISDIR(stat.st_mode)) {
        struct dirent **entries;
        int count = scandir(path, &entries, NULL, alphasort);
        for (int i = 0; i < count; i++) {
            const char *name = entries[i]->d_name;
            if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
                char below[PATH_MAX];
                snprintf(below, sizeof below, "%s/%s", path, name);
                take(hash, below);
            }
            free(entries[i]);
        }
        free(count >= 0 ? entries : NULL);
    }
}

/* The state of the paths below the stage that a file of the stage lists, one a line. */
static uint64_t fingerprint(const char *list) {
    uint64_t hash = 0xcbf29ce484222325;
    char line[PATH_MAX];
    FILE *file = fopen(stage(list), "re");
    if (file == NULL) {
        fail(list);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = 0;
        take(&hash, stage(line));
    }
    fclose(file);
    return hash;
}

static int listener(int family, int type, const struct sockaddr *address, socklen_t length) {
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, address, length) != 0 || (type == SOCK_STREAM && listen(fd, 64) != 0)) {
        fail("a service");
    }
    return fd;
}

static int unix_listener(const char *name) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* The path of a stage may be too long for an address; its directory is the working directory. */
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    /* Of an attack before, where several share a stage. */
    unlink(name);
    return listener(AF_UNIX, SOCK_STREAM, (void *)&address, sizeof address);
}

static int abstract_listener(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "hostile-%d-%ld", getpid(), now.tv_nsec);
    set("HOSTILE_ABSTRACT", "%s", address.sun_path + 1);
    return listener(AF_UNIX, SOCK_STREAM, (void *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length));
}

static int inet_listener(int type, const char *variable) {
    /* In the control every address is local, see main. */
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(is_control() ? INADDR_ANY : INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = listener(AF_INET, type, (void *)&address, length);
    getsockname(fd, (void *)&address, &length);
    set(variable, "%d", ntohs(address.sin_port));
    return fd;
}

/* Answers whoever comes as a proxy that allows everything would, and counts. */
static void serve(int services[SERVICES], int datagrams) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    fd_set all;
    for (;;) {
        FD_ZERO(&all);
        FD_SET(datagrams, &all);
        int highest = datagrams;
        for (int i = 0; i < SERVICES; i++) {
            FD_SET(services[i], &all);
            highest = services[i] > highest ? services[i] : highest;
        }
        if (select(highest + 1, &all, NULL, NULL, NULL) < 0) {
            _exit(1);
        }
        char request[4096];
        struct sockaddr_in from;
        socklen_t size = sizeof from;
        if (FD_ISSET(datagrams, &all) && recvfrom(datagrams, request, sizeof request, MSG_DONTWAIT, (void *)&from, &size) > 0) {
            ++*connections;
            sendto(datagrams, CANARY, sizeof CANARY, 0, (void *)&from, size);
        }
        for (int i = 0; i < SERVICES; i++) {
            int client = FD_ISSET(services[i], &all) ? accept(services[i], NULL, NULL) : -1;
            if (client >= 0) {
                ++*connections;
                static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\n" CANARY;
                send(client, answer, sizeof answer - 1, MSG_NOSIGNAL);
                close(client);
            }
        }
    }
}

/* A process that is worth attacking: it has a secret in its memory and environment, in an open file and its directory. */
static pid_t victim(int *line) {
    int ready[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ready) != 0) {
        fail("a pair of sockets");
    }
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
        if (chdir(stage("sibling")) != 0 || open("secret", O_RDONLY) < 0) {
            _exit(1);
        }
        /* With an environment of its own on its stack, where /proc/PID/environ looks. */
        char ready_fd[16];
        snprintf(ready_fd, sizeof ready_fd, "%d", dup(ready[1]));
        setenv("LAUNCHER_SECRET", CANARY, 1);
        execl("/proc/self/exe", "hostile-victim", "victim", ready_fd, (char *)NULL);
        _exit(1);
    }
    close(ready[1]);
    char byte;
    if (pid < 0 || read(ready[0], &byte, 1) != 1) {
        fail("a victim");
    }
    *line = ready[0];
    set("HOSTILE_VICTIM", "%d", pid);
    return pid;
}

__attribute__((noreturn)) static void be_victim(int ready) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    char byte = 'r';
    while (write(ready, &byte, 1) == 1 && read(ready, &byte, 1) == 1) {
    }
    _exit(0);
}

/* A user of the host's whom no generated list of users would name. */
static const char *last_user(void) {
    static char name[64];
    char line[1024], candidate[64];
    FILE *file = fopen("/etc/passwd", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%63[^:]", candidate) == 1 && strcmp(candidate, "agent") != 0 && strcmp(candidate, "nobody") != 0) {
            strcpy(name, candidate);
        }
    }
    return name;
}

/* Whether the victim still answers: one that was killed does not, even if it has not ended yet. */
static bool answers(int line) {
    struct timeval patience = {.tv_sec = 5};
    char byte = 'a';
    setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return send(line, &byte, 1, MSG_NOSIGNAL) == 1 && read(line, &byte, 1) == 1;
}

/* The control's own stand-ins for what an attack would take or break. */
static void furnish_control(void) {
    char own[64] = "";
    if (getpid() != 1 || readlink("/proc/self/ns/pid", own, sizeof own - 1) <= 0 || strcmp(own, given("HOSTILE_HOST_PIDNS")) == 0) {
        errno = EPERM;
        fail("not PID 1 of a throwaway namespace");
    }
    setenv("HOSTILE_CONTROL", "1", 1);
    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    const char *secret = stage("sibling/secret");
    mount(secret, "/etc/shadow", NULL, MS_BIND, NULL);
    mount("tmpfs", stage("scratch"), "tmpfs", 0, "mode=777");
    mount("tmpfs", stage("guard"), "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, "mode=755");
    mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    mkdir(stage("state"), 0755);
    mkdir(stage("state/sandboxes"), 0755);
    set("HOSTILE_SCRATCH", "%s", stage("scratch"));
    if (system("ip link set lo up && ip route add local default dev lo") != 0) {
        fail("the network of the control");
    }
}

/* What people do in the workspace, if the runner put a script for it into the stage. */
static void host_uses(void) {
    if (access(stage("host-uses.sh"), R_OK) != 0) {
        return;
    }
    char command[4 * PATH_MAX];
    snprintf(command, sizeof command, "exec </dev/null >'%s/host-uses.log' 2>&1; sh '%s/host-uses.sh' '%s'", stage_dir, stage_dir, stage_dir);
    (void)!system(command);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "victim") == 0) {
        be_victim(atoi(argv[2]));
    }
    if (argc < 5 || strcmp(argv[3], "--") != 0 || realpath(argv[2], stage_dir) == NULL) {
        fprintf(stderr, "usage: witness control|host STAGE -- COMMAND...\n");
        return 125;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    setenv("HOSTILE_STAGE", stage_dir, 1);
    if (strcmp(argv[1], "control") == 0) {
        furnish_control();
    }
    connections = mmap(NULL, sizeof *connections, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (chdir(stage("run")) != 0) {
        fail("run");
    }
    int services[SERVICES] = {
        unix_listener("docker.sock"), unix_listener("bus"), unix_listener("agent.sock"), unix_listener("X0"),
        abstract_listener(), inet_listener(SOCK_STREAM, "HOSTILE_PORT"), unix_listener("podman.sock"),
    };
    int datagrams = inet_listener(SOCK_DGRAM, "HOSTILE_UDP_PORT");
    if (fchdir(here) != 0) {
        fail("the working directory");
    }
    int line;
    pid_t hurt = victim(&line);
    pid_t server = fork();
    if (server == 0) {
        serve(services, datagrams);
    }
    for (int i = 0; i < SERVICES; i++) {
        close(services[i]);
    }
    close(datagrams);

    uint64_t files = fingerprint("watched"), guarded = fingerprint("guarded");
    char name[65] = "", name_after[65] = "";
    gethostname(name, sizeof name - 1);

    pid_t attack = fork();
    if (attack == 0) {
        /* A careless launcher: secrets in its environment, open files and directories that its children inherit. */
        setsid();
        set("SSH_AUTH_SOCK", "%s", stage("run/agent.sock"));
        set("DBUS_SESSION_BUS_ADDRESS", "unix:path=%s", stage("run/bus"));
        set("DOCKER_HOST", "unix://%s", stage("run/docker.sock"));
        set("CONTAINER_HOST", "unix://%s", stage("run/podman.sock"));
        setenv("LAUNCHER_SECRET", CANARY, 1);
        setenv("HOSTILE_HOSTNAME", name, 1);
        set("HOSTILE_HOST_USER", "%s", last_user());
        int file = open(stage("sibling/secret"), O_RDWR), dir = open(stage("sibling"), O_RDONLY | O_DIRECTORY);
        if (file < 0 || dir < 0 || dup2(file, 27) < 0 || dup2(dir, 28) < 0) {
            fail("descriptors");
        }
        close(file);
        close(dir);
        if (is_control()) {
            set("http_proxy", "http://127.0.0.1:%s", given("HOSTILE_PORT"));
        }
        execvp(argv[4], argv + 4);
        fail(argv[4]);
    }
    int status = 0;
    alarm(60);
    if (access(stage("live"), F_OK) == 0) {
        /* The host does not wait for the attack to end before it goes on. */
        siginfo_t ended = {0};
        while (access(stage("workspace/attack/ready"), F_OK) != 0 && ended.si_pid == 0) {
            usleep(2000);
            waitid(P_PID, (id_t)attack, &ended, WEXITED | WNOHANG | WNOWAIT);
        }
        host_uses();
        close(open(stage("workspace/attack/done"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    }
    while (waitpid(attack, &status, 0) != attack) {
    }
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);

    bool killed = !answers(line);
    int reached_services = *connections;
    gethostname(name_after, sizeof name_after - 1);
    /* Before the host works on: what it changes itself is no harm. */
    guarded ^= fingerprint("guarded");
    host_uses();
    char harm[256] = "";
    const struct { const char *name; bool happened; } harms[] = {
        {"file", fingerprint("watched") != files},
        {"guarded", guarded != 0},
        {"owned", access(stage("owned"), F_OK) == 0},
        {"victim", killed},
        {"connected", reached_services > 0},
        {"hostname", strcmp(name, name_after) != 0},
    };
    for (size_t i = 0; i < sizeof harms / sizeof *harms; i++) {
        if (harms[i].happened) {
            strcat(harm, harm[0] != 0 ? "," : "");
            strcat(harm, harms[i].name);
        }
    }
    kill(hurt, SIGKILL);
    kill(server, SIGKILL);
    printf("witness: exit=%d harm=%s\n", code, harm);
    return 0;
}
