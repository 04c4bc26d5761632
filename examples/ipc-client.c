/* A client of the bridge that knows nothing but docs/wire-ipc.md: standard input goes out, what comes back is printed.
 *
 *   cc -o ipc-client ipc-client.c && ./ipc-client 5566 < file
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPEN = 1, HELLO, DATA, END, BREAK, CLOSE };

struct message {
    long type;
    char body[];
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void put(int queue, struct message *message, long type, size_t size)
{
    message->type = type;
    if (msgsnd(queue, message, size, 0) < 0)
        fail("the stream is broken");
}

/* Return room for the longest message that can be in a queue. */
static struct message *room(int queue, size_t *size)
{
    struct msqid_ds about;

    if (msgctl(queue, IPC_STAT, &about) < 0)
        fail("msgctl");
    *size = about.msg_qbytes;
    return malloc(sizeof(struct message) + *size);
}

/* Print what comes down until its end. */
static int show(int down)
{
    size_t most;
    struct message *message = room(down, &most);
    ssize_t size;

    while ((size = msgrcv(down, message, most, 0, 0)) >= 0 && message->type != END)
        if (message->type == DATA && fwrite(message->body, 1, size, stdout) != (size_t)size)
            fail("standard output");
    if (size < 0)
        fail("the stream is broken");
    return fflush(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
    int key = argc > 1 ? atoi(argv[1]) : 5566, status;
    int32_t request[2] = {1, getpid()}, reply[3]; /* version, token; version, keys of up and down */
    size_t most;
    ssize_t size;

    int opens = msgget(key, 0), replies = msgget(key * 32768, 0);
    if (opens < 0 || replies < 0)
        fail("nobody serves this key");
    struct message *message = room(opens, &most);
    memcpy(message->body, request, sizeof request);
    put(opens, message, OPEN, sizeof request);
    if (msgrcv(replies, message, most, request[1], 0) != sizeof reply)
        fail("no reply");
    memcpy(reply, message->body, sizeof reply);
    if (reply[1] == 0) {
        fprintf(stderr, "refused; the other side speaks version %d\n", (int)reply[0]);
        return 1;
    }
    int up = msgget(reply[1], 0), down = msgget(reply[2], 0);
    put(up, message, HELLO, 0);

    pid_t reader = fork(); /* the other one writes: who says HELLO must stay the only writer */
    if (reader == 0)
        return show(down);
    while ((size = read(0, message->body, 8192)) > 0) /* msgmax, where nobody raised it */
        put(up, message, DATA, size);
    put(up, message, END, 0);
    waitpid(reader, &status, 0);
    if (status == 0)
        put(up, message, CLOSE, 0);
    return status != 0;
}
