/* An echo server for the bridge that knows nothing but docs/wire-ipc.md; SIGTERM ends it.
 *
 *   cc -o ipc-echo ipc-echo.c && ./ipc-echo 5566
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <unistd.h>

enum { OPEN = 1, HELLO, DATA, END, BREAK, CLOSE };
enum { VERSION = 1, MODE = 0666, MOST = 1 << 20 }; /* MOST: of msgmnb, for no message is longer than its queue */

struct message {
    long type;
    char body[MOST];
};

static int opens, replies;

static void stop(int number)
{
    (void)number;
    msgctl(opens, IPC_RMID, NULL);
    msgctl(replies, IPC_RMID, NULL);
    _exit(0);
}

/* Make a queue with this key, in place of one that an earlier server left. */
static int make(int key)
{
    msgctl(msgget(key, 0), IPC_RMID, NULL);
    int queue = msgget(key, IPC_CREAT | IPC_EXCL | MODE);
    if (queue < 0) {
        perror("msgget");
        exit(1);
    }
    return queue;
}

/* Say HELLO, answer the request, and send back what comes. */
static void echo(int up, int down, const int32_t reply[3], int32_t token)
{
    static struct message message;
    ssize_t size;

    message.type = HELLO;
    msgsnd(down, &message, 0, 0);
    message.type = token;
    memcpy(message.body, reply, 3 * sizeof *reply);
    msgsnd(replies, &message, 3 * sizeof *reply, 0);
    while ((size = msgrcv(up, &message, sizeof message.body, 0, 0)) >= 0)
        if (message.type == DATA || message.type == END) {
            if (msgsnd(down, &message, size, 0) < 0)
                break;
        } else if (message.type != HELLO) {
            break; /* CLOSE or BREAK */
        }
    msgctl(up, IPC_RMID, NULL);
    msgctl(down, IPC_RMID, NULL);
}

int main(int argc, char **argv)
{
    int key = argc > 1 ? atoi(argv[1]) : 5566, number = 0;
    int32_t request[2], reply[3]; /* version, token; version, keys of up and down */
    static struct message message;

    opens = make(key);
    replies = make(key * 32768);
    signal(SIGTERM, stop);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        ssize_t size = msgrcv(opens, &message, sizeof message.body, 0, 0);
        if (size < 0)
            return 1;
        if (size != sizeof request || message.type != OPEN)
            continue;
        memcpy(request, message.body, sizeof request);
        if (request[1] < 1)
            continue;
        memset(reply, 0, sizeof reply);
        reply[0] = VERSION;
        if (request[0] != VERSION) {
            message.type = request[1];
            memcpy(message.body, reply, sizeof reply);
            msgsnd(replies, &message, sizeof reply, IPC_NOWAIT);
            continue;
        }
        reply[1] = key * 32768 + 1 + number;
        reply[2] = reply[1] + 1;
        number = (number + 2) % 32766;
        int up = make(reply[1]), down = make(reply[2]);
        if (fork() == 0) { /* a process for each stream: it alone writes to that stream's queue */
            signal(SIGTERM, SIG_DFL);
            echo(up, down, reply, request[1]);
            _exit(0);
        }
    }
}
