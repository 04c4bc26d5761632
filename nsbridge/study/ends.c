/* A client and an echo server in C that speak the wire forms (docs/wire-*.md), so that of a round trip through a
 * bridge as little as possible is not the bridge's. One stream; the ends and breaks that a measurement needs.
 *
 *   ends serve net PORT             echoes streams, one after another
 *   ends serve ipc KEY
 *   ends serve mnt FOLDER
 *   ends ping net ADDRESS PORT SIZE COUNT      round trips; ipc KEY …, mnt FOLDER … likewise
 *   ends flood …                               COUNT chunks of SIZE bytes, while their echoes come back
 *
 * They print what programs/ping.py and programs/flood.py print.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CHUNK = 131072, SEGMENT = 131072, WINDOW = 3, MUCH = 16384 };
enum { OPEN = 1, HELLO, DATA, END, BREAK, CLOSE };

/* One side of an open stream. */
struct end {
    char kind;
    int in, out;                  /* sockets or queues; for mnt the segments */
    int events, room, up, down;   /* mnt: inotify for reading and for writing; the folders written to and read from */
    int segment[2];               /* mnt: numbers of the segments written and read */
    long done[2];                 /* mnt: bytes written to and read of them */
    const char *name;             /* mnt: of the direction that is written, and of the files that are kept for it */
    int kept[WINDOW];             /* mnt: these files, each 1 more than its descriptor */
    ssize_t size[WINDOW];         /* mnt: bytes in them */
    int more;                     /* mnt: there may be something to read of which no event will tell */
};
struct message { long type; char body[CHUNK]; };

static __thread struct message buffer;
static int largest = CHUNK; /* msgmax */

static int no_delay(int fd) {
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

static int open_segment(int folder, int number, int flags) {
    char name[16];
    snprintf(name, sizeof name, "%d", number);
    return openat(folder, name, flags | O_CLOEXEC, 0644);
}

static int there(int folder, int number) {
    char name[16];
    snprintf(name, sizeof name, "%d", number);
    return faccessat(folder, name, F_OK, 0) == 0;
}

/* Wait until the reader has made room for the next segment, with a watch for just as long. */
static void await_room(struct end *end) {
    char events[4096], written[32];
    snprintf(written, sizeof written, "/proc/self/fd/%d", end->up); /* by its name it may have been moved since */
    while (there(end->up, end->segment[0] - WINDOW)) {
        inotify_add_watch(end->room, written, IN_DELETE | IN_ONESHOT);
        if (!there(end->up, end->segment[0] - WINDOW)) break;
        if (read(end->room, events, sizeof events) < 0) err(1, "inotify");
    }
}

/* Write a segment of its own into a file that is kept, and give it its number; -1 if the stream is gone. */
static ssize_t put_whole(struct end *end, const char *body, ssize_t size) {
    char kept[16], name[16], opened[32];
    if (end->done[0]) end->segment[0]++, end->done[0] = 0, close(end->out), end->out = -1;
    await_room(end);
    int slot = end->segment[0] % WINDOW;
    snprintf(kept, sizeof kept, "kept%d", slot);
    snprintf(name, sizeof name, "%d", end->segment[0]);
    if (!end->kept[slot]) { /* opened in another folder, so that no event tells of what is written there */
        snprintf(opened, sizeof opened, "../%s-opened", end->name);
        end->kept[slot] = 1 + openat(end->up, opened, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        linkat(end->up, opened, end->up, kept, 0);
        unlinkat(end->up, opened, 0);
    }
    ssize_t sent = pwrite(end->kept[slot] - 1, body, size < SEGMENT ? size : SEGMENT, 0);
    if (sent < 0 || (sent < end->size[slot] && ftruncate(end->kept[slot] - 1, sent))) return -1;
    end->size[slot] = sent;
    if (linkat(end->up, kept, end->up, name, 0)) return -1;
    end->segment[0]++;
    return sent;
}

static void remove_segment(int folder, int number) {
    char name[16];
    snprintf(name, sizeof name, "%d", number);
    unlinkat(folder, name, 0);
}

/* Wait for an event of the folder that is read; note whether it came with others, of which nothing will tell again. */
static void wake(struct end *end) {
    char events[4096];
    ssize_t size = read(end->events, events, sizeof events);
    if (size < 0) err(1, "inotify");
    end->more = size > (ssize_t)(sizeof(struct inotify_event) + ((struct inotify_event *)events)->len);
}

/* Give the space of the segment that was read back. */
static void drop_segment(struct end *end) {
    close(end->in);
    remove_segment(end->down, end->segment[1]++);
    end->in = -1, end->done[1] = 0;
}

/* Wait for bytes; 0 at the end, or when the stream is gone. */
static ssize_t take(struct end *end) {
    ssize_t got;
    if (end->kind == 'n') return read(end->in, buffer.body, CHUNK);
    if (end->kind == 'i') {
        while ((got = msgrcv(end->in, &buffer, CHUNK, 0, 0)) >= 0 && buffer.type == HELLO);
        return got < 0 || buffer.type != DATA ? 0 : got;
    }
    for (int ended = 0, complete = 0;;) {
        if (end->in < 0) end->in = open_segment(end->down, end->segment[1], O_RDONLY);
        if (end->in >= 0 && (got = read(end->in, buffer.body, CHUNK)) > 0) {
            if ((end->done[1] += got) == SEGMENT) drop_segment(end); /* this one is whole */
            return got;
        }
        struct stat folder;
        if (complete) drop_segment(end), complete = 0;
        else if (end->in >= 0 && there(end->down, end->segment[1] + 1)) complete = 1; /* what was written before is read first */
        else if (ended) return 0;
        else if (faccessat(end->down, "end", F_OK, 0) == 0) ended = 1;
        else if (fstat(end->down, &folder) || folder.st_nlink == 0) return 0; /* it was removed: a break */
        else wake(end);
    }
}

/* For a measurement of one message at a time: wait first where there is nothing before the event. */
static ssize_t await(struct end *end) {
    if (end->kind == 'm' && end->in >= 0 && end->done[1] < SEGMENT && !end->more) wake(end);
    return take(end);
}

static void put(struct end *end, const char *body, ssize_t size) {
    for (ssize_t done = 0, sent; done < size; done += sent) {
        ssize_t most = size - done;
        if (end->kind == 'i') {
            sent = most < largest ? most : largest;
            if (body + done != buffer.body) memcpy(buffer.body, body + done, sent);
            buffer.type = DATA;
            if (msgsnd(end->out, &buffer, sent, 0)) return; /* the stream is gone */
            continue;
        }
        if (end->kind == 'm' && most >= MUCH) {
            if ((sent = put_whole(end, body + done, most)) < 0) return;
            continue;
        }
        if (end->kind == 'm') {
            if (end->out < 0) await_room(end), end->out = open_segment(end->up, end->segment[0], O_WRONLY | O_CREAT | O_EXCL);
            if (end->out < 0) return;
            if (most > SEGMENT - end->done[0]) most = SEGMENT - end->done[0];
        }
        if ((sent = write(end->out, body + done, most)) < 0) return;
        if (end->kind == 'm' && (end->done[0] += sent) == SEGMENT) {
            close(end->out);
            end->segment[0]++, end->done[0] = 0, end->out = -1;
        }
    }
}

static void finish(struct end *end) {
    if (end->kind == 'n') shutdown(end->out, SHUT_WR);
    else if (end->kind == 'i') buffer.type = END, msgsnd(end->out, &buffer, 0, 0);
    else close(openat(end->up, "end", O_WRONLY | O_CREAT, 0644));
}

/* Open the folders of a stream, one to write to and one to read from; return whether they are there. */
static int folders(struct end *end, const char *stream, const char *up, const char *down) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", stream, up);
    end->up = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    end->room = inotify_init1(IN_CLOEXEC);
    snprintf(path, sizeof path, "%s/%s", stream, down);
    end->down = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    end->events = inotify_init1(IN_CLOEXEC);
    end->in = end->out = -1;
    end->name = up;
    return inotify_add_watch(end->events, path, IN_MODIFY | IN_CREATE) >= 0 &&
           inotify_add_watch(end->events, stream, IN_DELETE) >= 0 && /* the break */
           inotify_add_watch(end->room, stream, IN_DELETE) >= 0;
}

static struct end connected(char **words) {
    struct end end = {.kind = words[0][0]};
    if (end.kind == 'n') {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(words[2]))};
        inet_aton(words[1], &address.sin_addr);
        end.in = end.out = no_delay(socket(AF_INET, SOCK_STREAM, 0));
        if (connect(end.in, (void *)&address, sizeof address)) err(1, "connect");
    } else if (end.kind == 'i') {
        int key = atoi(words[1]);
        int32_t request[] = {1, getpid()}, reply[3];
        buffer.type = OPEN;
        memcpy(buffer.body, request, sizeof request);
        if (msgsnd(msgget(key, 0), &buffer, sizeof request, 0)) err(1, "nobody serves key %d", key);
        if (msgrcv(msgget(key << 15, 0), &buffer, CHUNK, request[1], 0) != sizeof reply) err(1, "reply");
        memcpy(reply, buffer.body, sizeof reply);
        end.out = msgget(reply[1], 0), end.in = msgget(reply[2], 0);
        buffer.type = HELLO;
        if (msgsnd(end.out, &buffer, 0, 0)) err(1, "hello");
    } else {
        char new[128], open_[128], part[160];
        snprintf(new, sizeof new, "%s/new/1-ends%d", words[1], getpid());
        snprintf(open_, sizeof open_, "%s/open/1-ends%d", words[1], getpid());
        umask(0);
        if (mkdir(new, 0777)) err(1, "%s", new);
        snprintf(part, sizeof part, "%s/down", new), mkdir(part, 0777);
        snprintf(part, sizeof part, "%s/up", new), mkdir(part, 0777);
        snprintf(part, sizeof part, "%s/up/lock", new);
        flock(open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0644), LOCK_EX);
        if (!folders(&end, new, "up", "down")) err(1, "%s", new);
        if (rename(new, open_)) err(1, "%s", open_);
    }
    return end;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void ping(struct end *end, int size, int count) {
    static char message[1 << 20];
    printf("{\"size\": %d, \"rtt_us\": [", size);
    for (int i = -200; i < count; i++) {
        double start = now();
        put(end, message, size);
        for (ssize_t got = 0, more; got < size; got += more)
            if ((more = got ? take(end) : await(end)) <= 0) errx(1, "the stream broke");
        if (i >= 0) printf("%s%.2f", i ? ", " : "", now() - start);
    }
    printf("]}\n");
    finish(end);
}

struct job { struct end *end; int size, count; };

static void *pour(void *argument) {
    struct job *job = argument;
    char *chunk = calloc(1, job->size);
    for (int i = 0; i < job->count; i++) put(job->end, chunk, job->size);
    finish(job->end);
    return NULL;
}

static void flood(struct end *end, int size, int count) {
    long long left = (long long)size * count;
    struct job job = {end, size, count};
    pthread_t writer;
    double start = now();
    pthread_create(&writer, NULL, pour, &job);
    for (ssize_t got; left > 0; left -= got)
        if ((got = take(end)) <= 0) errx(1, "the stream broke");
    printf("{\"size\": %d, \"count\": %d, \"seconds\": %.6f}\n", size, count, (now() - start) / 1e6);
    pthread_join(writer, NULL);
}

static void leave(struct end *end) {
    while (take(end) > 0);
    if (end->kind == 'i') buffer.type = CLOSE, msgsnd(end->out, &buffer, 0, 0);
}

/* Return whether the stream came to its end. */
static int echo(struct end *end) {
    for (ssize_t got; (got = await(end)) > 0;) put(end, buffer.body, got);
    int whole = end->kind == 'i' ? buffer.type == END : end->kind == 'n' || !faccessat(end->down, "end", F_OK, 0);
    if (whole) finish(end);
    return whole;
}

static void serve_net(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 8)) err(1, "port %d", port);
    for (;;) {
        struct end end = {.kind = 'n'};
        end.in = end.out = no_delay(accept(listener, NULL, NULL));
        echo(&end);
        close(end.in);
    }
}

static int fresh(int key) {
    int old = msgget(key, 0);
    if (old >= 0) msgctl(old, IPC_RMID, NULL);
    int queue = msgget(key, IPC_CREAT | 0666);
    if (queue < 0) err(1, "key %d", key);
    return queue;
}

static void serve_ipc(int key) {
    int opens = fresh(key), replies = fresh(key << 15);
    for (int number = 1;; number = (number + 2) % 30000) {
        int32_t request[2], reply[] = {1, (key << 15) + number, (key << 15) + number + 1};
        struct end end = {.kind = 'i'};
        if (msgrcv(opens, &buffer, CHUNK, OPEN, 0) != sizeof request) continue;
        memcpy(request, buffer.body, sizeof request);
        end.in = fresh(reply[1]), end.out = fresh(reply[2]);
        buffer.type = HELLO;
        msgsnd(end.out, &buffer, 0, 0);
        buffer.type = request[1];
        memcpy(buffer.body, reply, sizeof reply);
        msgsnd(replies, &buffer, sizeof reply, 0);
        if (echo(&end))
            while (msgrcv(end.in, &buffer, CHUNK, 0, 0) >= 0 && buffer.type != CLOSE && buffer.type != BREAK);
        msgctl(end.in, IPC_RMID, NULL);
        msgctl(end.out, IPC_RMID, NULL);
    }
}

static void shut(struct end *end) {
    int all[] = {end->up, end->down, end->events, end->room, end->in, end->out};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) close(all[i]);
    for (int i = 0; i < WINDOW; i++)
        if (end->kept[i]) close(end->kept[i] - 1);
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *place) {
    (void)about, (void)kind, (void)place;
    return remove(path);
}

static void serve_mnt(const char *folder) {
    char path[128], stream[512], events[4096];
    umask(0);
    snprintf(path, sizeof path, "%s/new", folder), mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/open", folder), mkdir(path, 0777);
    int opened = inotify_init1(IN_CLOEXEC);
    if (inotify_add_watch(opened, path, IN_MOVED_TO) < 0) err(1, "%s", path);
    snprintf(path, sizeof path, "%s/lock", folder);
    flock(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644), LOCK_EX);
    for (;;) {
        ssize_t size = read(opened, events, sizeof events);
        for (char *at = events; at < events + size;) {
            struct inotify_event *event = (void *)at;
            struct end end = {.kind = 'm'};
            at += sizeof *event + event->len;
            snprintf(stream, sizeof stream, "%s/open/%s", folder, event->name);
            if (!folders(&end, stream, "down", "up") || !echo(&end)) {
                shut(&end);
                continue;
            }
            snprintf(path, sizeof path, "%.90s/up/lock", stream);
            flock(open(path, O_RDONLY | O_CLOEXEC), LOCK_SH);
            nftw(stream, remove_one, 8, FTW_DEPTH | FTW_PHYS);
            shut(&end);
        }
    }
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    FILE *limit = fopen("/proc/sys/kernel/msgmax", "r");
    if (!limit || fscanf(limit, "%d", &largest) != 1 || largest > CHUNK) largest = CHUNK;
    if (argc == 4 && !strcmp(argv[1], "serve")) {
        if (argv[2][0] == 'n') serve_net(atoi(argv[3]));
        if (argv[2][0] == 'i') serve_ipc(atoi(argv[3]));
        serve_mnt(argv[3]);
    }
    int words = argc > 2 && argv[2][0] == 'n' ? 3 : 2, flooding = argc > 1 && !strcmp(argv[1], "flood");
    if (argc != 4 + words || (!flooding && strcmp(argv[1], "ping")))
        errx(2, "usage: ends serve net PORT, ends ping|flood net ADDRESS PORT SIZE COUNT; ipc KEY, mnt FOLDER likewise");
    struct end end = connected(argv + 2);
    (flooding ? flood : ping)(&end, atoi(argv[2 + words]), atoi(argv[3 + words]));
    leave(&end);
    return 0;
}
