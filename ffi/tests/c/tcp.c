/* A server sets its connections to what its config says of TCP. Linux. */
#define _GNU_SOURCE
#include "test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int option(int fd, int level, int name) {
    int value = -1;
    socklen_t len = sizeof value;
    CHECK(getsockopt(fd, level, name, &value, &len) == 0);
    return value;
}

/* The end of a connection that the server has, whose peer is this socket. */
static int other_end(int client) {
    struct sockaddr_in mine, peer;
    socklen_t len = sizeof mine;
    CHECK(getsockname(client, (struct sockaddr *)&mine, &len) == 0);
    for (int fd = 0; fd < 1024; fd++) {
        len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 && peer.sin_family == AF_INET &&
            peer.sin_port == mine.sin_port)
            return fd;
    }
    return -1;
}

/* A server of this config has one connection, which is set so. */
static void serves(const chanson_server_config *config, int user_timeout_ms, int keepalive_s) {
    chanson_builder *builder = chanson_builder_new(NULL);
    chanson_mount_config mount = chanson_mount_config_default();
    chanson_server *server;
    OK(chanson_builder_mount(builder, &mount, NULL));
    OK(chanson_server_bind(builder, "127.0.0.1:0", config, &server));
    OK(chanson_builder_free(builder));

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(chanson_server_port(server))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, (struct sockaddr *)&address, sizeof address) == 0);
    chanson_stats stats = {.size = sizeof stats};
    while (stats.accepted == 0) {
        OK(chanson_server_poll(server, 1000));
        OK(chanson_hub_stats(chanson_server_hub(server), &stats));
    }
    int end = other_end(client);
    CHECK(end >= 0);
    CHECK(option(end, IPPROTO_TCP, TCP_USER_TIMEOUT) == user_timeout_ms);
    CHECK(option(end, SOL_SOCKET, SO_KEEPALIVE) == (keepalive_s > 0));
    if (keepalive_s > 0) CHECK(option(end, IPPROTO_TCP, TCP_KEEPIDLE) == keepalive_s);
    close(client);
    OK(chanson_server_free(server));
}

int main(void) {
    chanson_server_config config = chanson_server_config_default();
    CHECK(config.tcp_user_timeout_ms == 60000 && config.tcp_keepalive_ms == 0);
    serves(NULL, 60000, 0);
    serves(&config, 60000, 0);
    config.tcp_user_timeout_ms = 1234;
    config.tcp_keepalive_ms = 40001;
    serves(&config, 1234, 41);
    config.tcp_user_timeout_ms = 0;
    config.tcp_keepalive_ms = 1;
    serves(&config, 0, 1);
    puts("OK");
    return 0;
}
