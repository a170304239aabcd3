/* Structs that can grow are read and written as long as the program says that they are. The tests build this with three
 * headers: that of the library; one whose structs lack their last field, as in a program that is older than its library; and
 * one with a field more, `newer`, as in a program that is newer. */
#include "test.h"

/* A struct with something behind it that is not the library's. */
#define GUARDED(type)                \
    struct {                         \
        type it;                     \
        unsigned char canary[64];    \
    }
#define PAINT(guarded) memset(&(guarded), 0x5a, sizeof(guarded))
#define CHECK_CANARY(guarded) \
    for (size_t at = 0; at < sizeof(guarded).canary; at++) CHECK((guarded).canary[at] == 0x5a)
#ifdef NEWER
#define CHECK_NEWER(guarded) CHECK((guarded).it.newer == 0)
#else
#define CHECK_NEWER(guarded) (void)0
#endif
#define CHECK_WHOLE(guarded)                            \
    do {                                                \
        CHECK((guarded).it.size == sizeof(guarded).it); \
        CHECK_CANARY(guarded);                          \
        CHECK_NEWER(guarded);                           \
    } while (0)
#define CHECK_DEFAULT(guarded, make, init) \
    do {                                   \
        PAINT(guarded);                    \
        (guarded).it = make;               \
        CHECK_WHOLE(guarded);              \
        PAINT(guarded);                    \
        OK(init);                          \
        CHECK_WHOLE(guarded);              \
    } while (0)
#define CHECK_FILLED(guarded, fill)             \
    do {                                        \
        PAINT(guarded);                         \
        (guarded).it.size = sizeof(guarded).it; \
        OK(fill);                               \
        CHECK_WHOLE(guarded);                   \
    } while (0)

static int32_t on_request(chanson_http *http, const chanson_request *request, void *user) {
    GUARDED(chanson_response) response;
    (void)request, (void)user;
    PAINT(response);
    memset(&response.it, 0, sizeof response.it);
    response.it.size = sizeof response.it;
    response.it.status = 404;
    OK(chanson_http_respond(http, &response.it));
    CHECK_CANARY(response);
    return CHANSON_DONE;
}

/* What a program makes and hands in. */
static chanson_builder *build(void) {
    GUARDED(chanson_config) config;
    GUARDED(chanson_mount_config) mount;
    GUARDED(chanson_channel_config) channel;
    uint32_t socket, rooms;

    CHECK_DEFAULT(config, chanson_config_default(), chanson_config_init(&config.it, sizeof config.it));
    CHECK(config.it.connections == 1024 && !config.it.on_log && !config.it.user);
    CHECK_DEFAULT(config, chanson_config_for_connections(20000),
                  chanson_config_init_for_connections(&config.it, sizeof config.it, 20000));
    CHECK(config.it.connections == 20000);
    CHECK_DEFAULT(mount, chanson_mount_config_default(), chanson_mount_config_init(&mount.it, sizeof mount.it));
    CHECK(strcmp(mount.it.path, "/socket") == 0 && mount.it.max_offences == 1000 && mount.it.deflate_level == 6);
    CHECK_DEFAULT(channel, chanson_channel_config_default(),
                  chanson_channel_config_init(&channel.it, sizeof channel.it));
    CHECK(strcmp(channel.it.pattern, "*") == 0 && !channel.it.on_event);
    config.it.on_request = on_request;
    mount.it.origins = "*";
    chanson_builder *builder = chanson_builder_new(&config.it);
    CHECK(builder);
    OK(chanson_builder_mount(builder, &mount.it, &socket));
    OK(chanson_builder_channel(builder, &channel.it, &rooms));
    OK(chanson_builder_serve(builder, socket, rooms));
    return builder;
}

static void hub(chanson_builder *builder) {
    GUARDED(chanson_request) request;
    GUARDED(chanson_output) output;
    GUARDED(chanson_stats) stats;
    chanson_hub *hub;
    uint64_t conn;

    OK(chanson_hub_new(builder, &hub));
    PAINT(request);
    memset(&request.it, 0, sizeof request.it);
    request.it.size = sizeof request.it;
    request.it.method = chanson_str_of("GET");
    request.it.target = chanson_str_of("/socket/websocket?vsn=2.0.0");
    OK(chanson_hub_connect(hub, 1, NULL, &conn));
    CHECK_FILLED(output, chanson_hub_open(hub, 1, conn, &request.it, &output.it));
    CHECK(output.it.kind == CHANSON_OUTPUT_OPEN && output.it.max_message == 64 * 1024);
    static const char join[] = "[\"1\",\"1\",\"t\",\"phx_join\",{}]";
    OK(chanson_hub_text(hub, 2, conn, join, sizeof join - 1));
    CHECK_FILLED(output, chanson_hub_poll_output(hub, &output.it));
    CHECK(output.it.kind == CHANSON_OUTPUT_DELIVER && output.it.to_count == 1 && output.it.to[0] == conn);
    look_at(output.it.frame, output.it.frame_len);

    uint64_t other;
    OK(chanson_hub_connect(hub, 3, NULL, &other));
    request.it.target = chanson_str_of("/other");
    CHECK_FILLED(output, chanson_hub_request(hub, 3, other, &request.it, &output.it));
    CHECK(output.it.kind == CHANSON_OUTPUT_RESPOND && output.it.status == 404);
    CHECK_CANARY(request);

    CHECK_FILLED(stats, chanson_hub_stats(hub, &stats.it));
    CHECK(stats.it.joins == 1 && stats.it.tls_handshakes == 0);
    OK(chanson_hub_free(hub));
}

static void endpoint_and_server(chanson_builder *builder) {
    GUARDED(chanson_endpoint_config) limits;
    GUARDED(chanson_server_config) config;
    GUARDED(chanson_stats) stats;
    chanson_endpoint *endpoint;
    chanson_server *server;

    CHECK_DEFAULT(limits, chanson_endpoint_config_default(),
                  chanson_endpoint_config_init(&limits.it, sizeof limits.it));
    CHECK(limits.it.handshake_timeout_ms == 5000 && !limits.it.drop_newest);
    CHECK_DEFAULT(config, chanson_server_config_default(), chanson_server_config_init(&config.it, sizeof config.it));
    CHECK(config.it.drain_ms == 5000 && !config.it.endpoint);
    OK(chanson_endpoint_new(builder, &limits.it, &endpoint));
    OK(chanson_endpoint_free(endpoint));
    config.it.endpoint = &limits.it;
    OK(chanson_server_bind(builder, "127.0.0.1:0", &config.it, &server));
    chanson_remote *remote = chanson_server_remote(server);
    CHECK_FILLED(stats, chanson_remote_stats(remote, &stats.it));
    OK(chanson_server_free(server));
    OK(chanson_remote_free(remote));
}

static void client(void) {
    GUARDED(chanson_client_config) config;
    GUARDED(chanson_client_counters) counters;
    chanson_client *client;

    CHECK_DEFAULT(config, chanson_client_config_default(), chanson_client_config_init(&config.it, sizeof config.it));
    CHECK(config.it.vsn == 2 && config.it.timeout_ms == 10000 && !config.it.url && config.it.ca_pem.len == 0);
    config.it.url = "ws://127.0.0.1:1/socket";
    OK(chanson_client_new(&config.it, &client));
    CHECK_FILLED(counters, chanson_client_stats(client, &counters.it));
    OK(chanson_client_free(client));
}

int main(void) {
    chanson_builder *builder = build();
    hub(builder);
    endpoint_and_server(builder);
    OK(chanson_builder_free(builder));
    client();
    puts("OK");
    return 0;
}
