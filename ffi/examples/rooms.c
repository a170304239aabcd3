/* The rooms server in C: its own non-blocking sockets and its own poll() loop, one thread. The library knows of no socket
 * here; it is handed bytes and says what to send.
 *
 *     make -C ffi examples && target/ffi-examples/rooms --port 4000
 */
#define _XOPEN_SOURCE 700

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "chanson.h"
#include "rooms_channels.h"

struct conn {
    chanson_session session;
    size_t at; /* in the two tables */
};

/* What poll() waits for: the pipe that signals write to, the listener, then one for each connection. */
enum { SIGNALS, LISTENER, FIRST };
static struct pollfd *fds;
static struct conn **conns;
static size_t count = FIRST, room;

static chanson_endpoint *endpoint;
static uint64_t now;
static int signal_pipe[2];

static void die(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t clock_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void on_signal(int number) {
    int kept = errno;
    char byte = (char)number;
    if (write(signal_pipe[1], &byte, 1) < 0) { /* full: as many signals as anybody needs */ }
    errno = kept;
}

static void unblock(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }

/* --- connections --- */

static void grow(void) {
    if (count < room) return;
    room = room ? 2 * room : 1024;
    fds = realloc(fds, room * sizeof *fds);
    conns = realloc(conns, room * sizeof *conns);
    if (!fds || !conns) die("rooms");
}

static void drop(struct conn *conn) {
    size_t at = conn->at;
    chanson_session_close(conn->session, now);
    close(fds[at].fd);
    free(conn);
    fds[at] = fds[--count];
    conns[at] = conns[count];
    if (at < count) conns[at]->at = at;
}

/* Takes what waits at the door, but no more than that the others can wait for. Whether a file descriptor was left. */
static bool accept_some(void) {
    for (int i = 0; i < 128; i++) {
        struct sockaddr_storage address;
        socklen_t len = sizeof address;
        char host[64], service[8], peer[80];
        int yes = 1, fd = accept(fds[LISTENER].fd, (struct sockaddr *)&address, &len);
        if (fd < 0) return errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM;
        unblock(fd);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
#ifdef TCP_USER_TIMEOUT /* a peer that is gone without a word is given up, whatever it is owed */
        unsigned gone_after_ms = 60000;
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone_after_ms, sizeof gone_after_ms);
#endif
        bool named = getnameinfo((struct sockaddr *)&address, len, host, sizeof host, service, sizeof service,
                                 NI_NUMERICHOST | NI_NUMERICSERV) == 0;
        snprintf(peer, sizeof peer, strchr(host, ':') ? "[%s]:%s" : "%s:%s", named ? host : "", named ? service : "");

        struct conn *conn = malloc(sizeof *conn);
        if (!conn) die("rooms");
        if (chanson_endpoint_connect(endpoint, now, named ? peer : NULL, conn, &conn->session) != CHANSON_OK) {
            const char *busy = chanson_busy_response();
            if (write(fd, busy, strlen(busy)) < 0) { /* then it learns it from the end */ }
            close(fd);
            free(conn);
            continue;
        }
        grow();
        conn->at = count;
        fds[count] = (struct pollfd){.fd = fd, .events = POLLIN};
        conns[count++] = conn;
    }
    return true;
}

static void receive(struct conn *conn) {
    static char buffer[64 << 10];
    ssize_t got = read(fds[conn->at].fd, buffer, sizeof buffer);
    if (got > 0) chanson_session_bytes(conn->session, now, buffer, (size_t)got);
    else if (got == 0 || (errno != EAGAIN && errno != EINTR)) chanson_session_eof(conn->session, now);
}

static ptrdiff_t send_some(const chanson_iovec *iov, size_t pieces, void *fd) {
    ssize_t sent;
    do /* One piece is the rule, and send() costs less than writev() does. */
        sent = pieces == 1 ? send(*(int *)fd, iov->data, iov->len, 0)
                           : writev(*(int *)fd, (const struct iovec *)(const void *)iov, (int)pieces);
    while (sent < 0 && errno == EINTR);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
}

/* Sends what the connection is owed, with one system call if the socket takes it all. */
static void send_pending(struct conn *conn) {
    struct pollfd *at = &fds[conn->at];
    uint32_t next;
    if (chanson_session_transmit(conn->session, now, send_some, &at->fd, &next) != CHANSON_OK
        || (next & CHANSON_NEXT_FINISHED)) {
        /* All is said; or the peer is gone, and what it is owed is of no use. */
        drop(conn);
        return;
    }
    if (next & CHANSON_NEXT_DONE_SENDING) shutdown(at->fd, SHUT_WR);
    at->events = (short)((next & CHANSON_NEXT_WANTS_BYTES ? POLLIN : 0) | (next & CHANSON_NEXT_BLOCKED ? POLLOUT : 0));
}

/* --- the loop --- */

static int listen_on(const struct options *options) {
    char port[8];
    struct addrinfo *found, hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    int yes = 1;
    sprintf(port, "%u", options->port);
    if (getaddrinfo(options->host, port, &hints, &found) != 0) die(options->host);
    int fd = socket(found->ai_family, SOCK_STREAM, 0);
    if (fd < 0) die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1024) != 0) die("listen");
    freeaddrinfo(found);
    unblock(fd);

    struct sockaddr_in6 bound; /* the longer one; the port is at the same place in both */
    socklen_t len = sizeof bound;
    if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0) die("getsockname");
    printf("listening on %s:%u\n", options->host, ntohs(bound.sin6_port));
    fflush(stdout);
    return fd;
}

static int until(uint64_t wait, uint64_t at) {
    uint64_t left = at > now ? at - now : 0;
    return (int)(left < wait ? left : wait);
}

static void serve(const struct options *options, struct due *due) {
    uint64_t cut = UINT64_MAX, accept_again = 0, at;
    while (cut == UINT64_MAX || (count > FIRST && now < cut)) {
        int wait = 60000;
        if (chanson_endpoint_poll_timeout(endpoint, &at) == CHANSON_OK) wait = until((uint64_t)wait, at);
        if (due->count > 0) wait = until((uint64_t)wait, due->answers[due->count - 1].at);
        if (cut != UINT64_MAX) wait = until((uint64_t)wait, cut);
        if (accept_again > now) wait = until((uint64_t)wait, accept_again);
        fds[LISTENER].events = accept_again > now ? 0 : POLLIN;
        int ready = poll(fds, (nfds_t)count, wait);
        if (ready < 0 && errno != EINTR) die("poll");
        now = clock_ms();

        char number;
        while (ready > 0 && read(signal_pipe[0], &number, 1) == 1) {
            if (cut != UINT64_MAX) return;
            cut = now + options->drain_ms;
            close(fds[LISTENER].fd);
            fds[LISTENER].fd = -1; /* poll() leaves it out */
            chanson_hub_shutdown(chanson_endpoint_hub(endpoint));
        }
        /* From the end, so that one who is dropped leaves nobody out. */
        for (size_t i = count; ready > 0 && i-- > FIRST;)
            if (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) receive(conns[i]);
        for (size_t i = count; ready > 0 && i-- > FIRST;)
            if (i < count && (fds[i].revents & POLLOUT)) send_pending(conns[i]);
        if (ready > 0 && (fds[LISTENER].revents & POLLIN) && !accept_some()) accept_again = now + 100;
        answer_due(due, chanson_endpoint_hub(endpoint), now);
        chanson_endpoint_timeout(endpoint, now);
        for (chanson_session session; chanson_endpoint_poll_writable(endpoint, &session) == CHANSON_OK;)
            send_pending(chanson_session_user(session));
    }
}

/* Who the server is, with TLS. */
static chanson_acceptor *acceptor_of(const struct options *options) {
    if (!options->tls_cert && !options->tls_key) return NULL;
    chanson_acceptor *acceptor;
    chanson_identity identity = {.chain_file = options->tls_cert, .key_file = options->tls_key};
    chanson_code code = chanson_acceptor_new(&acceptor);
    if (code == CHANSON_OK) code = chanson_acceptor_set(acceptor, &identity, 1);
    if (code == CHANSON_OK) return acceptor;
    fprintf(stderr, "rooms: TLS: %s: %s\n", chanson_code_text(code), chanson_acceptor_error(acceptor));
    exit(1);
}

int main(int argc, char **argv) {
    struct options options = {"127.0.0.1", "any", 4000, 20000, 60000, 2000, NULL, NULL};
    for (int i = 1; i < argc; i += 2) {
        const char *flag = argv[i], *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (value && strcmp(flag, "--port") == 0) options.port = (uint16_t)atoi(value);
        else if (value && strcmp(flag, "--host") == 0) options.host = value;
        else if (value && strcmp(flag, "--connections") == 0) options.connections = strtoul(value, NULL, 10);
        else if (value && strcmp(flag, "--heartbeat-timeout-ms") == 0) options.heartbeat_timeout_ms = strtoul(value, NULL, 10);
        else if (value && strcmp(flag, "--drain-ms") == 0) options.drain_ms = strtoul(value, NULL, 10);
        else if (value && strcmp(flag, "--origin") == 0) options.origin = value;
        else if (value && strcmp(flag, "--tls-cert") == 0) options.tls_cert = value;
        else if (value && strcmp(flag, "--tls-key") == 0) options.tls_key = value;
        else {
            fprintf(stderr, "flags: --port N --host ADDR --connections N --heartbeat-timeout-ms N --origin any|same|URL "
                            "--drain-ms N --tls-cert FILE --tls-key FILE\n");
            return 2;
        }
    }

    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    struct sigaction action = {.sa_handler = on_signal};
    if (pipe(signal_pipe) != 0) die("pipe");
    unblock(signal_pipe[0]);
    unblock(signal_pipe[1]);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);

    struct due due = {0};
    chanson_builder *builder = rooms_builder(&options, &due);
    chanson_endpoint_config config = chanson_endpoint_config_default();
    config.acceptor = acceptor_of(&options);
    chanson_code code = chanson_endpoint_new(builder, &config, &endpoint);
    if (code != CHANSON_OK) {
        fprintf(stderr, "rooms: %s: %s\n", chanson_code_text(code), chanson_builder_error(builder));
        return 1;
    }
    chanson_builder_free(builder);
    chanson_acceptor_free(config.acceptor);
    grow();
    fds[SIGNALS] = (struct pollfd){.fd = signal_pipe[0], .events = POLLIN};
    fds[LISTENER] = (struct pollfd){.fd = listen_on(&options), .events = POLLIN};
    now = clock_ms();
    serve(&options, &due);

    while (count > FIRST) drop(conns[count - 1]);
    chanson_endpoint_free(endpoint);
    if (fds[LISTENER].fd >= 0) close(fds[LISTENER].fd);
    free(due.answers);
    free(fds);
    free(conns);
    return 0;
}
