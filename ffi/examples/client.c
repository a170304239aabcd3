/* A client that joins a room and talks: what is typed is said, what is said there is printed. It waits for both in one poll()
 * of its own; the library has the socket.
 *
 *     make -C ffi examples && target/ffi-examples/client --url ws://127.0.0.1:4000/socket --topic room:lobby
 *
 * With a library that was built with TLS (make -C ffi examples FEATURES=server,client,deflate,tls) it talks to wss:// too, and trusts whom the system
 * trusts, or by --ca whom a file names.
 *
 * A line goes out as the event `new_msg` with `{"body": line}`, or as another event by --event. After the last line (Ctrl-D)
 * it waits a second for answers (not every event has one), says goodbye and ends: with 0 unless something was refused.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "chanson.h"

struct talk {
    const char *event;
    uint64_t channel;
    size_t waiting; /* lines without an answer */
    bool refused, over;
    char line[4096]; /* what was typed, up to its end */
    size_t typed;
};

#define TEXT(text) (int)(text).len, (const char *)(text).data

static void on_event(chanson_client *client, const chanson_client_event *event, void *user) {
    struct talk *talk = user;
    (void)client;
    switch (event->kind) {
    case CHANSON_CLIENT_CONNECT_FAILED:
    case CHANSON_CLIENT_DISCONNECTED:
        if (!talk->over) fprintf(stderr, "-- not connected: %.*s\n", TEXT(event->text));
        break;
    case CHANSON_CLIENT_JOINED:
        fprintf(stderr, "-- joined %.*s\n", TEXT(event->topic));
        break;
    case CHANSON_CLIENT_JOIN_FAILED:
        fprintf(stderr, "-- not joined: %.*s\n", TEXT(event->payload));
        /* That nobody answered may get better; a no stays one. */
        if (event->reason == CHANSON_REASON_REFUSED) talk->refused = talk->over = true;
        break;
    case CHANSON_CLIENT_MESSAGE:
        if (event->payload.kind == CHANSON_JSON) printf("%.*s %.*s\n", TEXT(event->event), TEXT(event->payload));
        else printf("%.*s (%lu bytes)\n", TEXT(event->event), (unsigned long)event->payload.len);
        fflush(stdout);
        break;
    default: /* and kinds that are not there yet */
        break;
    }
}

static void on_reply(chanson_client *client, const chanson_client_event *event, void *user) {
    struct talk *talk = user;
    (void)client;
    talk->waiting--;
    if (event->kind != CHANSON_CLIENT_REPLY || event->ok) return;
    talk->refused = true;
    fprintf(stderr, "-- not said: %.*s\n", TEXT(event->payload));
}

/* `{"body": line}` in `to`, which has room for six times the line and 16. */
static void body_of(char *to, const char *line, size_t len) {
    to += sprintf(to, "{\"body\":\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c == '"' || c == '\\') to += sprintf(to, "\\%c", c);
        else if (c < 0x20) to += sprintf(to, "\\u%04x", c);
        else *to++ = (char)c;
    }
    strcpy(to, "\"}");
}

static void say(chanson_client *client, struct talk *talk, const char *line, size_t len) {
    static char json[6 * sizeof talk->line + 16];
    body_of(json, line, len);
    if (chanson_client_push_str(client, talk->channel, talk->event, json, on_reply, talk) == CHANSON_OK) {
        talk->waiting++;
        return;
    }
    talk->refused = true;
    fprintf(stderr, "-- not said: %s\n", chanson_client_error(client));
}

/* What was typed; false at the end of it. A line that is too long is said in pieces. */
static bool listen_to(int fd, chanson_client *client, struct talk *talk) {
    ssize_t got = read(fd, talk->line + talk->typed, sizeof talk->line - talk->typed);
    if (got < 0) return errno == EINTR || errno == EAGAIN;
    talk->typed += (size_t)got;
    for (;;) {
        char *end = memchr(talk->line, '\n', talk->typed);
        bool full = talk->typed == sizeof talk->line || (got == 0 && talk->typed > 0);
        if (!end && !full) break;
        size_t len = end ? (size_t)(end - talk->line) : talk->typed, used = end ? len + 1 : len;
        if (len > 0) say(client, talk, talk->line, len);
        talk->typed -= used;
        memmove(talk->line, talk->line + used, talk->typed);
    }
    return got > 0;
}

/* One turn: waits for the keyboard (unless `input` is -1) and the client, `wait` milliseconds at most; false when there is no
 * more to be typed. */
static bool turn(chanson_client *client, struct talk *talk, int input, int wait) {
    struct pollfd fds[2] = {{.fd = input, .events = POLLIN}, {.fd = chanson_client_fd(client), .events = POLLIN}};
    uint64_t in_ms;
    if (chanson_client_poll_timeout(client, &in_ms) == CHANSON_OK && in_ms < (uint64_t)wait) wait = (int)in_ms;
    if (poll(fds, 2, wait) < 0) {
        if (errno == EINTR) return true;
        perror("poll");
        exit(1);
    }
    if (chanson_client_poll(client, 0) != CHANSON_OK) {
        fprintf(stderr, "client: %s\n", chanson_client_error(client));
        exit(1);
    }
    return fds[0].revents == 0 || listen_to(input, client, talk);
}

static uint64_t clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int main(int argc, char **argv) {
    static struct talk talk = {.event = "new_msg"};
    const char *topic = "room:lobby";
    chanson_header name = {chanson_str_of("name"), chanson_str_of("somebody")};
    chanson_client_config config = chanson_client_config_default();
    config.url = "ws://127.0.0.1:4000/socket";
    for (int i = 1; i < argc; i += 2) {
        bool valued = i + 1 < argc;
        if (valued && !strcmp(argv[i], "--url")) config.url = argv[i + 1];
        else if (valued && !strcmp(argv[i], "--topic")) topic = argv[i + 1];
        else if (valued && !strcmp(argv[i], "--event")) talk.event = argv[i + 1];
        else if (valued && !strcmp(argv[i], "--ca")) config.ca_file = argv[i + 1];
        else if (valued && !strcmp(argv[i], "--name")) name.value = chanson_str_of(argv[i + 1]);
        else {
            fprintf(stderr, "usage: client [--url ws://127.0.0.1:4000/socket] [--topic room:lobby] [--event new_msg]"
                            " [--name you] [--ca FILE: whom to trust, for wss://]\n");
            return 2;
        }
    }
    config.params = &name;
    config.param_count = 1;
    config.on_event = on_event;
    config.user = &talk;

    chanson_client *client;
    chanson_code code = chanson_client_new(&config, &client);
    if (code != CHANSON_OK) {
        fprintf(stderr, "client: %s: %s\n", config.url, chanson_code_text(code));
        return 1;
    }
    if (chanson_client_join_str(client, topic, "{}", &talk.channel) != CHANSON_OK) {
        fprintf(stderr, "client: %s: %s\n", topic, chanson_client_error(client));
        return 1;
    }
    while (!talk.over && turn(client, &talk, STDIN_FILENO, 60000)) {}
    for (uint64_t since = clock_ms(); !talk.over && talk.waiting > 0 && clock_ms() - since < 1000;) {
        turn(client, &talk, -1, 100);
        /* What was typed before it had joined has not been said yet. */
        if (!chanson_client_is_joined(client, talk.channel)) since = clock_ms();
    }

    talk.over = true;
    chanson_client_disconnect(client);
    while (!chanson_client_is_settled(client)) turn(client, &talk, -1, 100);
    chanson_client_free(client);
    return talk.refused ? 1 : 0;
}
