/* The floor: a client, a relay and an echo server with the least system calls that two media allow.
 *
 *   floor chain X Y SIZE COUNT      round trips through a relay from medium X to medium Y
 *   floor flood X Y SIZE COUNT      COUNT chunks of SIZE bytes, while their echoes come back
 *   floor client PORT SIZE COUNT    round trips over TCP to 127.0.0.1, whoever serves there
 *   floor pour PORT SIZE COUNT      the chunks, likewise
 *   floor server PATH               echoes one connection to a UNIX socket, or to a TCP port of 127.0.0.1
 *
 * X and Y are net, ipc or mnt; Y may be "-" for no relay at all. One stream, no framing, no ends, no breaks: less
 * than a bridge must do, so that it stands below one. Prints what ping.py and flood.py print.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 65536, MESSAGE = 8192, QUEUES = 16 };

/* One end of a channel: what to read from and what to write to. */
struct end { char kind; int in, out, watch; };
struct message { long type; char body[CHUNK]; };

static int queues[QUEUES], queue_count;
static char folder[] = "/dev/shm/floor-XXXXXX";

static void clean(void) {
    for (int i = 0; i < queue_count; i++) msgctl(queues[i], IPC_RMID, NULL);
    rmdir(folder);
}

static int queue(void) {
    int id = msgget(IPC_PRIVATE, 0600);
    if (id < 0) err(1, "msgget");
    return queues[queue_count++] = id;
}

/* A file that one end appends to and the other reads, told by inotify. */
static void file(int *writer, int *reader, int *watch) {
    char path[64];
    snprintf(path, sizeof path, "%s/file", folder);
    *writer = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    *reader = open(path, O_RDONLY);
    *watch = inotify_init1(0);
    if (*writer < 0 || *reader < 0 || inotify_add_watch(*watch, path, IN_MODIFY) < 0) err(1, "%s", path);
    unlink(path);
}

static int tcp(int port, int *listener) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (listener) {
        socklen_t length = sizeof address;
        *listener = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(*listener, (void *)&address, length) || listen(*listener, 1)) err(1, "bind");
        getsockname(*listener, (void *)&address, &length);
    }
    if (connect(fd, (void *)&address, sizeof address)) err(1, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static void channel(const char *kind, struct end *left, struct end *right) {
    left->kind = right->kind = kind[0];
    if (kind[0] == 'n') {
        int listener, one = 1;
        left->in = left->out = tcp(0, &listener);
        right->in = right->out = accept(listener, NULL, NULL);
        setsockopt(right->in, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        close(listener);
    } else if (kind[0] == 'i') {
        left->out = right->in = queue();
        right->out = left->in = queue();
    } else {
        file(&left->out, &right->in, &right->watch);
        file(&right->out, &left->in, &left->watch);
    }
}

static ssize_t take(struct end *end, struct message *buffer) {
    ssize_t got;
    if (end->kind == 'i') got = msgrcv(end->in, buffer, MESSAGE, 0, 0);
    else if (end->kind == 'n') got = read(end->in, buffer->body, CHUNK);
    else {
        char events[4096];
        while ((got = read(end->in, buffer->body, CHUNK)) == 0)
            if (read(end->watch, events, sizeof events) < 0) err(1, "inotify");
    }
    if (got < 0 && errno == EIDRM) _exit(0); /* the client is done */
    if (got < 0) err(1, "read");
    return got;
}

/* For MNT: wait first, since with one message at a time there is nothing before the event. */
static ssize_t await(struct end *end, struct message *buffer) {
    char events[4096];
    if (end->kind == 'm' && read(end->watch, events, sizeof events) < 0) err(1, "inotify");
    return take(end, buffer);
}

static void put(struct end *end, struct message *buffer, ssize_t size) {
    if (end->kind == 'i') {
        struct message piece = {.type = 1};
        for (ssize_t done = 0; done < size; done += MESSAGE) {
            ssize_t length = size - done < MESSAGE ? size - done : MESSAGE;
            struct message *sent = buffer;
            if (size > MESSAGE) sent = &piece, memcpy(piece.body, buffer->body + done, length);
            sent->type = 1;
            if (msgsnd(end->out, sent, length, 0)) err(1, "msgsnd");
        }
        return;
    }
    for (ssize_t done = 0, sent; done < size; done += sent)
        if ((sent = write(end->out, buffer->body + done, size - done)) < 0) err(1, "write");
}

static void forward(struct end *from, struct end *to, ssize_t (*next)(struct end *, struct message *)) {
    if (fork()) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct message *buffer = malloc(sizeof *buffer);
    for (ssize_t got; (got = next(from, buffer)) > 0;) put(to, buffer, got);
    _exit(0);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void ping(struct end *end, int size, int count) {
    struct message *buffer = calloc(1, sizeof *buffer);
    printf("{\"size\": %d, \"rtt_us\": [", size);
    for (int i = -200; i < count; i++) {
        double start = now();
        put(end, buffer, size);
        for (int got = 0; got < size;) got += got ? take(end, buffer) : await(end, buffer);
        if (i >= 0) printf("%s%.2f", i ? ", " : "", now() - start);
    }
    printf("]}\n");
}

static void flood(struct end *end, int size, int count) {
    struct message *buffer = calloc(1, sizeof *buffer);
    long long left = (long long)size * count;
    double start = now();
    fflush(stdout);
    if (!fork()) {
        for (int i = 0; i < count; i++) put(end, buffer, size);
        _exit(0);
    }
    while (left > 0) left -= take(end, buffer);
    printf("{\"size\": %d, \"count\": %d, \"seconds\": %.6f}\n", size, count, (now() - start) / 1e6);
}

static int serve(const char *path) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons(atoi(path))};
    int local = path[0] == '/', listener = socket(local ? AF_UNIX : AF_INET, SOCK_STREAM, 0), one = 1;
    strncpy(name.sun_path, path, sizeof name.sun_path - 1);
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, local ? (void *)&name : (void *)&place, local ? sizeof name : sizeof place) || listen(listener, 8))
        err(1, "%s", path);
    puts("ready");
    fflush(stdout);
    struct end end = {.kind = 'n'};
    struct message *buffer = malloc(sizeof *buffer);
    end.in = end.out = accept(listener, NULL, NULL);
    setsockopt(end.in, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    for (ssize_t got; (got = take(&end, buffer)) > 0;) put(&end, buffer, got);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "server")) return serve(argv[2]);
    if (argc == 5 && (!strcmp(argv[1], "client") || !strcmp(argv[1], "pour"))) {
        struct end end = {.kind = 'n'};
        end.in = end.out = tcp(atoi(argv[2]), NULL);
        (argv[1][0] == 'p' ? flood : ping)(&end, atoi(argv[3]), atoi(argv[4]));
        return 0;
    }
    if (argc != 6) errx(2, "usage: floor chain|flood X Y SIZE COUNT, floor client|pour PORT SIZE COUNT, floor server PLACE");
    int flooding = !strcmp(argv[1], "flood");
    if (!mkdtemp(folder)) err(1, "%s", folder);
    atexit(clean);
    struct end client, here, there, server;
    ssize_t (*next)(struct end *, struct message *) = flooding ? take : await;
    channel(argv[2], &client, &here);
    if (strcmp(argv[3], "-")) {
        channel(argv[3], &there, &server);
        forward(&here, &there, next);
        forward(&there, &here, next);
    } else {
        server = here;
    }
    forward(&server, &server, next);
    (flooding ? flood : ping)(&client, atoi(argv[4]), atoi(argv[5]));
    fflush(stdout);
    signal(SIGTERM, SIG_IGN);
    return 0;
}
