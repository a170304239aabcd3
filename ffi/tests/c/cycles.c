/* Connects, joins, talks and goes, ten thousand times at every level; and takes all down in every order. Whatever is kept or
 * freed wrongly is what sanitizers and valgrind are to find; what is counted is checked here.
 *
 *     cycles [CYCLES] [CYCLES OVER SOCKETS]
 */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

#define JOIN "[\"1\",\"1\",\"room:1\",\"phx_join\",{}]"
#define HELLO "[\"1\",\"2\",\"room:1\",\"hello\",{\"a\":[1,2]}]"
#define REPLACE "[\"1\",\"3\",\"room:1\",\"replace\",{}]"
#define LATER "[\"1\",\"4\",\"room:1\",\"later\",{}]"
#define CRASH "[\"1\",\"5\",\"room:1\",\"crash\",{}]"

/* What callbacks have counted, and what they are to try. */
struct world {
    size_t joins, leaves, made, dropped, tickets;
    uint64_t ticket;
    /* What a callback tries to free that it is inside of; NULL: nothing. */
    chanson_hub *hub;
    chanson_endpoint *endpoint;
    chanson_server *server;
    size_t refused;
};

struct state {
    struct world *world;
    char text[32];
};

static void drop_state(void *state) {
    ((struct state *)state)->world->dropped++;
    free(state);
}

static void give_state(chanson_socket *socket, struct world *world, const char *text) {
    struct state *state = malloc(sizeof *state);
    CHECK(state);
    state->world = world;
    strcpy(state->text, text);
    OK(chanson_socket_set_state(socket, state, drop_state));
    world->made++;
}

static int32_t on_connect(chanson_connect *connect, void *user) {
    chanson_str name;
    (void)user;
    OK(chanson_connect_param(connect, "name", &name));
    OK(chanson_connect_set_assign(connect, "name", name));
    OK(chanson_connect_set_id(connect, chanson_str_of("users:1")));
    return CHANSON_DONE;
}

static int32_t on_join(chanson_socket *socket, const chanson_join *join, void *user) {
    struct world *world = user;
    CHECK(join->topic.len == 6);
    world->joins++;
    give_state(socket, world, "joined");
    OK(chanson_socket_track(socket, chanson_str_of("ann"), chanson_json("{\"at\":1}")));
    OK(chanson_socket_push_presence_state(socket));
    return CHANSON_DONE;
}

static int32_t on_leave(chanson_socket *socket, const chanson_leave *leave, void *user) {
    struct world *world = user;
    struct state *state = chanson_socket_state(socket);
    (void)leave;
    CHECK(state && state->world == world);
    world->leaves++;
    return CHANSON_DONE;
}

static int32_t on_event(chanson_socket *socket, const chanson_event *event, void *user) {
    struct world *world = user;
    /* What is in use cannot be freed. */
    if (world->hub) world->refused += chanson_hub_free(world->hub) == CHANSON_ERR_BUSY;
    if (world->endpoint) world->refused += chanson_endpoint_free(world->endpoint) == CHANSON_ERR_BUSY;
    if (world->server) world->refused += chanson_server_free(world->server) == CHANSON_ERR_BUSY;
    OK(chanson_socket_broadcast(socket, event->event, event->payload));
    OK(chanson_socket_reply(socket, event->payload));
    return CHANSON_DONE;
}

static int32_t on_replace(chanson_socket *socket, const chanson_event *event, void *user) {
    struct state *before = chanson_socket_state(socket);
    (void)event;
    CHECK(before && (!strcmp(before->text, "joined") || !strcmp(before->text, "replaced")));
    give_state(socket, user, "replaced");
    return CHANSON_DONE;
}

static int32_t on_later(chanson_socket *socket, const chanson_event *event, void *user) {
    struct world *world = user;
    (void)event;
    OK(chanson_socket_defer(socket, &world->ticket));
    world->tickets++;
    return CHANSON_LATER;
}

static int32_t on_crash(chanson_socket *socket, const chanson_event *event, void *user) {
    (void)socket, (void)event, (void)user;
    return CHANSON_CRASH;
}

static chanson_builder *build(struct world *world) {
    chanson_builder *builder = chanson_builder_new(NULL);
    chanson_mount_config mount = chanson_mount_config_default();
    chanson_channel_config channel = chanson_channel_config_default();
    uint32_t rooms, socket;
    memset(world, 0, sizeof *world);
    mount.on_connect = on_connect;
    mount.origins = "*";
    channel.pattern = "room:*";
    channel.on_join = on_join;
    channel.on_leave = on_leave;
    channel.on_event = on_event;
    channel.user = world;
    OK(chanson_builder_mount(builder, &mount, &socket));
    OK(chanson_builder_channel(builder, &channel, &rooms));
    OK(chanson_builder_on(builder, rooms, "replace", on_replace, world));
    OK(chanson_builder_on(builder, rooms, "later", on_later, world));
    OK(chanson_builder_on(builder, rooms, "crash", on_crash, world));
    OK(chanson_builder_serve(builder, socket, rooms));
    return builder;
}

/* What one client says, which of it depending on the round. */
static const char *said(size_t round, size_t at) {
    static const char *const all[4][5] = {
        {JOIN, HELLO, NULL, NULL, NULL},
        {JOIN, REPLACE, REPLACE, HELLO, NULL},
        {JOIN, LATER, JOIN, LATER, NULL},
        {JOIN, HELLO, CRASH, NULL, NULL},
    };
    return at < 5 ? all[round % 4][at] : NULL;
}

/* --- hub --- */

static void hub_drain(chanson_hub *hub) {
    chanson_output output = {.size = sizeof output};
    while (chanson_hub_poll_output(hub, &output) == CHANSON_OK) {
        look_at(output.frame, output.frame_len);
        for (size_t i = 0; i < output.to_count; i++) CHECK(output.to[i] != CHANSON_NO_CONN);
    }
}

static uint64_t hub_talk(chanson_hub *hub, uint64_t now, size_t round) {
    chanson_output answer = {.size = sizeof answer};
    chanson_request request = {.size = sizeof request};
    uint64_t conn;
    request.method = chanson_str_of("GET");
    request.target = chanson_str_of("/socket/websocket?vsn=2.0.0&name=ann");
    OK(chanson_hub_connect(hub, now, "192.0.2.1:5000", &conn));
    OK(chanson_hub_open(hub, now, conn, &request, &answer));
    CHECK(answer.kind == CHANSON_OUTPUT_OPEN);
    for (size_t i = 0; said(round, i); i++) OK(chanson_hub_text(hub, now, conn, said(round, i), strlen(said(round, i))));
    hub_drain(hub);
    return conn;
}

static void hub_cycles(size_t cycles) {
    struct world world;
    chanson_builder *builder = build(&world);
    chanson_hub *hub;
    size_t count;
    OK(chanson_hub_new(builder, &hub));
    OK(chanson_builder_free(builder));
    for (size_t i = 0; i < cycles; i++) {
        uint64_t conn = hub_talk(hub, i, i);
        if (i % 4 == 2) OK(chanson_hub_answer(hub, world.ticket, true, chanson_json("{}")));
        OK(chanson_hub_close(hub, i, conn, 1000));
        CHECK(chanson_hub_text(hub, i, conn, HELLO, strlen(HELLO)) == CHANSON_OK); /* ignored */
        hub_drain(hub);
    }
    OK(chanson_hub_subscriber_count(hub, chanson_str_of("room:1"), &count));
    CHECK(count == 0);
    CHECK(world.joins == world.leaves && world.joins >= cycles);
    CHECK(world.made == world.dropped);
    OK(chanson_hub_free(hub));
    CHECK(world.made == world.dropped);
}

/* Two hubs of one builder; which of the three goes first, second and last; with or without connections. */
static void hub_teardown(void) {
    for (int order = 0; order < 12; order++) {
        static const int turns[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        struct world world;
        chanson_builder *builder = build(&world);
        chanson_hub *a, *b;
        OK(chanson_hub_new(builder, &a));
        OK(chanson_hub_new(builder, &b));
        for (size_t round = 0; order >= 6 && round < 4; round++) hub_talk(a, 1, round), hub_talk(b, 1, round);
        if (order >= 6) OK(chanson_hub_broadcast_str(a, "room:1", "last", "{}")); /* waits to be polled */
        world.hub = b;
        if (order >= 6) hub_talk(b, 2, 0);
        CHECK(world.refused == (order >= 6 ? 1 : 0));
        for (int i = 0; i < 3; i++) {
            if (turns[order % 6][i] == 0) OK(chanson_builder_free(builder));
            if (turns[order % 6][i] == 1) OK(chanson_hub_free(a));
            if (turns[order % 6][i] == 2) OK(chanson_hub_free(b));
        }
        CHECK(world.made == world.dropped);
    }
}

/* --- endpoint --- */

/* Takes what is to be sent; so many bytes. */
static size_t endpoint_drain(chanson_endpoint *endpoint, uint64_t now) {
    chanson_session session;
    size_t sent = 0;
    while (chanson_endpoint_poll_writable(endpoint, &session) == CHANSON_OK) {
        chanson_iovec iov[8];
        size_t count;
        while (chanson_session_pending_iov(session, iov, 8, &count) == CHANSON_OK && count > 0) {
            size_t len = 0;
            for (size_t i = 0; i < count; i++) {
                look_at(iov[i].data, iov[i].len);
                len += iov[i].len;
            }
            OK(chanson_session_advance(session, now, len));
            sent += len;
        }
    }
    return sent;
}

static void session_says(chanson_session session, uint64_t now, int opcode, const char *text, size_t cut) {
    unsigned char frame[160];
    size_t len = client_frame(frame, opcode, text);
    for (size_t at = 0; at < len; at += cut) {
        OK(chanson_session_bytes(session, now, frame + at, len - at < cut ? len - at : cut));
    }
}

static chanson_session endpoint_talk(chanson_endpoint *endpoint, uint64_t now, size_t round) {
    chanson_session session;
    OK(chanson_endpoint_connect(endpoint, now, "[2001:db8::1]:5000", endpoint, &session));
    CHECK(chanson_session_user(session) == endpoint);
    OK(chanson_session_bytes(session, now, HANDSHAKE, strlen(HANDSHAKE)));
    for (size_t i = 0; said(round, i); i++) session_says(session, now, 1, said(round, i), 1 + round % 64);
    return session;
}

static void endpoint_cycles(size_t cycles) {
    struct world world;
    chanson_builder *builder = build(&world);
    chanson_endpoint *endpoint;
    size_t count;
    OK(chanson_endpoint_new(builder, NULL, &endpoint));
    for (size_t i = 0; i < cycles; i++) {
        chanson_session session = endpoint_talk(endpoint, i, i);
        if (i % 3 == 0) session_says(session, i, 8, "\x03\xe8", 64); /* says goodbye */
        if (i % 3 == 1) OK(chanson_session_eof(session, i));
        if (i % 5 != 0) CHECK(endpoint_drain(endpoint, i) > 0 || i % 3 == 1);
        if (i % 3 == 0 && i % 5 != 0) CHECK(chanson_session_is_finished(session));
        OK(chanson_session_close(session, i));
        CHECK(chanson_session_bytes(session, i, "x", 1) == CHANSON_ERR_UNKNOWN_CONN);
        CHECK(chanson_session_is_finished(session));
        endpoint_drain(endpoint, i);
    }
    OK(chanson_hub_subscriber_count(chanson_endpoint_hub(endpoint), chanson_str_of("room:1"), &count));
    CHECK(count == 0);
    CHECK(world.joins == world.leaves && world.joins >= cycles);
    CHECK(world.made == world.dropped);
    OK(chanson_endpoint_free(endpoint));
    OK(chanson_builder_free(builder));
}

/* The builder first or last; sessions none, closed, open, with bytes pending, with bytes committed; a deferred answer out. */
static void endpoint_teardown(void) {
    for (int order = 0; order < 12; order++) {
        struct world world;
        chanson_builder *builder = build(&world);
        chanson_endpoint *endpoint, *other;
        chanson_session session[8];
        const void *data;
        size_t len;
        OK(chanson_endpoint_new(builder, NULL, &endpoint));
        OK(chanson_endpoint_new(builder, NULL, &other));
        if (order % 2) OK(chanson_builder_free(builder));
        if (order / 2 == 4) world.endpoint = endpoint;
        for (size_t i = 0; order >= 2 && i < 8; i++) session[i] = endpoint_talk(endpoint, 1, i);
        if (order / 2 == 4) CHECK(world.refused > 0);
        if (order / 2 >= 2) endpoint_drain(endpoint, 2);
        if (order / 2 == 2) {
            for (size_t i = 0; i < 8; i++) OK(chanson_session_close(session[i], 3));
        }
        if (order / 2 == 3) {
            OK(chanson_hub_broadcast_str(chanson_endpoint_hub(endpoint), "room:1", "news", "{}"));
            OK(chanson_session_pending(session[0], &data, &len));
            CHECK(len > 4);
            OK(chanson_session_commit(session[0], 4));
            OK(chanson_session_advance(session[1], 4, 1));
        }
        if (order / 2 == 5) {
            OK(chanson_hub_shutdown(chanson_endpoint_hub(endpoint)));
            endpoint_drain(endpoint, 5);
        }
        /* The hub is lent: it is not the host's to free. */
        CHECK(chanson_hub_free(chanson_endpoint_hub(endpoint)) == CHANSON_ERR_HANDLE);
        OK(chanson_endpoint_free(order % 3 ? other : endpoint));
        OK(chanson_endpoint_free(order % 3 ? endpoint : other));
        if (order % 2 == 0) OK(chanson_builder_free(builder));
        CHECK(world.made == world.dropped);
    }
}

/* --- server --- */

static int dial(uint16_t port, bool rude) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct linger linger = {.l_onoff = rude, .l_linger = 0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0);
    /* Nought to linger resets the connection, which also keeps no port in use behind ten thousand of them. */
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void send_all(int fd, const void *data, size_t len) { CHECK(send(fd, data, len, MSG_NOSIGNAL) == (ssize_t)len); }

/* Has the server turn until something has come, which it takes; false at the end. */
static bool take(chanson_server *server, int fd) {
    char buffer[4096];
    for (;;) {
        ssize_t got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (got >= 0) return got > 0;
        OK(chanson_server_poll(server, 100));
    }
}

static int server_talk(chanson_server *server, size_t round, bool rude) {
    unsigned char frame[160];
    int fd = dial(chanson_server_port(server), rude);
    send_all(fd, HANDSHAKE, strlen(HANDSHAKE));
    CHECK(take(server, fd));
    for (size_t i = 0; said(round, i); i++) send_all(fd, frame, client_frame(frame, 1, said(round, i)));
    CHECK(take(server, fd));
    return fd;
}

static void server_cycles(size_t cycles) {
    struct world world;
    chanson_builder *builder = build(&world);
    chanson_server *server;
    size_t count = 1;
    OK(chanson_server_bind(builder, "127.0.0.1:0", NULL, &server));
    OK(chanson_builder_free(builder));
    for (size_t i = 0; i < cycles; i++) {
        int fd = server_talk(server, i, i % 4 != 0);
        unsigned char goodbye[16];
        if (i % 4 == 0) {
            send_all(fd, goodbye, client_frame(goodbye, 8, "\x03\xe8"));
            while (take(server, fd)) {}
        }
        close(fd);
        OK(chanson_server_poll(server, 0));
    }
    for (int i = 0; count > 0 && i < 1000; i++) {
        OK(chanson_server_poll(server, 10));
        OK(chanson_hub_subscriber_count(chanson_server_hub(server), chanson_str_of("room:1"), &count));
    }
    CHECK(count == 0);
    CHECK(world.made == world.dropped);
    OK(chanson_server_shutdown(server));
    while (!chanson_server_is_finished(server)) OK(chanson_server_poll(server, 100));
    OK(chanson_server_free(server));
}

/* The builder first or last; connections none, open, with unsent bytes; shut down or not, drained or not. */
static void server_teardown(void) {
    for (int order = 0; order < 12; order++) {
        struct world world;
        chanson_builder *builder = build(&world);
        chanson_server *server;
        int fd[4] = {-1, -1, -1, -1};
        OK(chanson_server_bind(builder, "127.0.0.1:0", NULL, &server));
        if (order % 2) OK(chanson_builder_free(builder));
        world.server = server;
        for (size_t i = 0; order >= 2 && i < 4; i++) fd[i] = server_talk(server, i, true);
        if (order >= 2) CHECK(world.refused > 0);
        if (order / 2 == 2) OK(chanson_hub_broadcast_str(chanson_server_hub(server), "room:1", "news", "{}"));
        if (order / 2 == 3) {
            OK(chanson_server_shutdown(server));
            OK(chanson_server_shutdown(server)); /* at once */
            while (!chanson_server_is_finished(server)) OK(chanson_server_poll(server, 100));
        }
        if (order / 2 == 4) OK(chanson_server_shutdown(server));
        if (order / 2 == 5) {
            for (size_t i = 0; i < 4; i++) close(fd[i]), fd[i] = -1;
            OK(chanson_server_poll(server, 10));
        }
        CHECK(chanson_hub_free(chanson_server_hub(server)) == CHANSON_ERR_HANDLE);
        OK(chanson_server_free(server));
        if (order % 2 == 0) OK(chanson_builder_free(builder));
        for (size_t i = 0; i < 4; i++) {
            if (fd[i] >= 0) close(fd[i]);
        }
        CHECK(world.made == world.dropped);
    }
}

/* --- client --- */

/* What a client has heard. */
struct heard {
    size_t joined, replies, aborted, busy;
    bool meddles; /* whether it tries what is refused inside of callbacks */
};

static void on_client_event(chanson_client *client, const chanson_client_event *event, void *user) {
    struct heard *heard = user;
    look_at(event->payload.data, event->payload.len);
    look_at(event->text.data, event->text.len);
    heard->joined += event->kind == CHANSON_CLIENT_JOINED;
    if (heard->meddles) heard->busy += chanson_client_free(client) == CHANSON_ERR_BUSY;
    if (heard->meddles) heard->busy += chanson_client_poll(client, 0) == CHANSON_ERR_BUSY;
}

static void on_reply(chanson_client *client, const chanson_client_event *event, void *user) {
    struct heard *heard = user;
    if (event->kind == CHANSON_CLIENT_REPLY) heard->replies++;
    if (event->kind == CHANSON_CLIENT_ABORTED) heard->aborted++;
    CHECK(event->kind == CHANSON_CLIENT_REPLY || event->kind == CHANSON_CLIENT_ABORTED);
    CHECK(client || event->kind == CHANSON_CLIENT_ABORTED);
}

static chanson_client *client_of(chanson_server *server, struct heard *heard, uint64_t *channel) {
    chanson_client_config config = chanson_client_config_default();
    chanson_header name = {chanson_str_of("name"), chanson_str_of("ann")};
    chanson_client *client;
    char url[64];
    sprintf(url, "ws://127.0.0.1:%u/socket", (unsigned)chanson_server_port(server));
    config.url = url;
    config.params = &name;
    config.param_count = 1;
    config.on_event = on_client_event;
    config.user = heard;
    OK(chanson_client_new(&config, &client));
    OK(chanson_client_join_str(client, "room:1", NULL, channel));
    OK(chanson_client_push_str(client, *channel, "hello", "{}", on_reply, heard));
    OK(chanson_client_track_presence(client, *channel));
    return client;
}

static void turn_both(chanson_server *server, chanson_client *client) {
    OK(chanson_server_poll(server, 1));
    OK(chanson_client_poll(client, 1));
}

static void client_cycles(size_t cycles) {
    struct world world;
    chanson_builder *builder = build(&world);
    chanson_server *server;
    OK(chanson_server_bind(builder, "127.0.0.1:0", NULL, &server));
    OK(chanson_builder_free(builder));
    for (size_t i = 0; i < cycles; i++) {
        struct heard heard = {0, 0, 0, 0, i % 16 == 0};
        uint64_t channel;
        chanson_client *client = client_of(server, &heard, &channel);
        while (heard.replies == 0) turn_both(server, client);
        CHECK(heard.joined == 1 && chanson_client_is_joined(client, channel));
        OK(chanson_client_push_str(client, channel, i % 2 ? "later" : "replace", "{}", on_reply, &heard));
        if (i % 4 == 0) OK(chanson_client_leave(client, channel));
        if (i % 3 == 0) {
            OK(chanson_client_disconnect(client));
            while (!chanson_client_is_settled(client)) turn_both(server, client);
        }
        OK(chanson_client_free(client));
        CHECK(heard.replies + heard.aborted == 2 && (heard.busy > 0) == heard.meddles);
    }
    OK(chanson_server_free(server));
    CHECK(world.made == world.dropped);
}

/* A client that is connecting, joining, joined, or has lost its server; who goes first. */
static void client_teardown(void) {
    for (int order = 0; order < 10; order++) {
        struct world world;
        struct heard heard = {0, 0, 0, 0, true};
        chanson_builder *builder = build(&world);
        chanson_server *server;
        uint64_t channel;
        OK(chanson_server_bind(builder, "127.0.0.1:0", NULL, &server));
        OK(chanson_builder_free(builder));
        chanson_client *client = client_of(server, &heard, &channel);
        if (order / 2 == 1) OK(chanson_client_poll(client, 10));
        while (order / 2 >= 2 && heard.replies == 0) turn_both(server, client);
        if (order / 2 >= 2) OK(chanson_client_push_str(client, channel, "later", "{}", on_reply, &heard));
        if (order / 2 == 3) turn_both(server, client);
        if (order % 2) OK(chanson_server_free(server));
        for (int i = 0; order / 2 == 4 && i < 3; i++) OK(chanson_client_poll(client, 20)); /* perhaps alone */
        OK(chanson_client_free(client));
        if (order % 2 == 0) OK(chanson_server_free(server));
        CHECK(heard.replies + heard.aborted == (order / 2 >= 2 ? 2 : 1));
        CHECK(world.made == world.dropped);
    }
}

int main(int argc, char **argv) {
    size_t cycles = argc > 1 ? strtoul(argv[1], NULL, 10) : 10000;
    size_t over_sockets = argc > 2 ? strtoul(argv[2], NULL, 10) : cycles;
    hub_cycles(cycles);
    hub_teardown();
    endpoint_cycles(cycles);
    endpoint_teardown();
    server_cycles(over_sockets);
    server_teardown();
    client_cycles(over_sockets);
    client_teardown();
    printf("OK\n");
    return 0;
}
