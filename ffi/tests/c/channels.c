/* The channels of the rooms server on a hub, where their clients do what is not foreseen. */
#include "../../examples/rooms_channels.h"
#include "test.h"

static chanson_hub *hub;
static uint64_t now = 1;

/* All that the hub has to say, one line after the other. */
static const char *sent(void) {
    static char text[1 << 16];
    size_t len = 0;
    chanson_output output = {.size = sizeof output};
    while (chanson_hub_poll_output(hub, &output) == CHANSON_OK) {
        if (output.kind != CHANSON_OUTPUT_DELIVER) continue;
        CHECK(len + output.message.len + 2 < sizeof text);
        memcpy(text + len, output.message.data, output.message.len);
        len += output.message.len;
        text[len++] = '\n';
    }
    text[len] = 0;
    return text;
}

static uint64_t client(void) {
    uint64_t conn;
    chanson_output answer = {.size = sizeof answer};
    chanson_request request = {.size = sizeof request};
    request.method = chanson_str_of("GET");
    request.target = chanson_str_of("/socket/websocket?vsn=2.0.0");
    OK(chanson_hub_connect(hub, now, NULL, &conn));
    OK(chanson_hub_open(hub, now, conn, &request, &answer));
    CHECK(answer.kind == CHANSON_OUTPUT_OPEN);
    return conn;
}

static const char *say(uint64_t conn, const char *message) {
    OK(chanson_hub_text(hub, now, conn, message, strlen(message)));
    return sent();
}

static bool has(const char *text, const char *part) {
    if (strstr(text, part)) return true;
    fprintf(stderr, "%s is not in\n%s", part, text);
    return false;
}

/* Nobody is there any more: `update` and `untrack` are ok all the same, and the join lives on. */
static void untracked_twice(void) {
    uint64_t conn = client();
    CHECK(has(say(conn, "[\"1\",\"1\",\"presence:a\",\"phx_join\",{\"user\":\"ann\"}]"), "\"status\":\"ok\""));
    CHECK(has(say(conn, "[\"1\",\"2\",\"presence:a\",\"update\",{\"on\":1}]"), "\"on\":1"));
    CHECK(has(say(conn, "[\"1\",\"3\",\"presence:a\",\"untrack\",{}]"), "\"leaves\":{\"ann\""));
    static const char *const again[] = {"untrack", "update", "untrack"};
    for (size_t i = 0; i < 3; i++) {
        char message[64], reply[96];
        snprintf(message, sizeof message, "[\"1\",\"4\",\"presence:a\",\"%s\",{\"on\":2}]", again[i]);
        strcpy(reply, "[\"1\",\"4\",\"presence:a\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]\n");
        CHECK(strcmp(say(conn, message), reply) == 0);
    }
    CHECK(has(say(conn, "[\"1\",\"5\",\"presence:a\",\"who\",{}]"), "\"presence_state\",[]"));
    OK(chanson_hub_close(hub, now, conn, 1000));
}

static void a_user_whose_name_is_too_long(void) {
    static const char *const topics[] = {"room:a", "presence:a"};
    uint64_t conn = client();
    for (size_t i = 0; i < 2; i++) {
        char name[258] = {0}, message[400], reply[160];
        memset(name, 'x', 257);
        snprintf(message, sizeof message, "[\"1\",\"1\",\"%s\",\"phx_join\",{\"user\":\"%s\"}]", topics[i], name);
        snprintf(reply, sizeof reply,
                 "[\"1\",\"1\",\"%s\",\"phx_reply\",{\"status\":\"error\",\"response\":"
                 "{\"reason\":\"presence key too long\"}}]\n",
                 topics[i]);
        CHECK(strcmp(say(conn, message), reply) == 0);
        name[256] = 0;
        snprintf(message, sizeof message, "[\"2\",\"2\",\"%s\",\"phx_join\",{\"user\":\"%s\"}]", topics[i], name);
        CHECK(has(say(conn, message), "\"status\":\"ok\""));
    }
    OK(chanson_hub_close(hub, now, conn, 1000));
    sent();
}

/* Whoever asks for a late answer and leaves is forgotten; who stays gets it, when tickets end at the latest. */
static void answers_that_nobody_waits_for(struct due *due) {
    uint64_t stays = client();
    say(stays, "[\"1\",\"1\",\"room:a\",\"phx_join\",{}]");
    CHECK(*say(stays, "[\"1\",\"2\",\"room:a\",\"defer\",{\"ms\":900000000000}]") == 0);
    CHECK(*say(stays, "[\"2\",\"3\",\"room:b\",\"phx_join\",{\"defer\":9223372036854775807}]") == 0);
    uint64_t end = now + 600000;
    CHECK(due->count == 2 && due->answers[0].at == end && due->answers[1].at == end);
    for (int i = 0; i < 5000; i++) {
        uint64_t conn = client();
        CHECK(*say(conn, "[\"1\",\"1\",\"room:a\",\"phx_join\",{\"defer\":900000000000}]") == 0);
        OK(chanson_hub_close(hub, now, conn, 1000));
        answer_due(due, hub, ++now);
        CHECK(due->count <= 64);
    }
    while (now < end - 1) {
        now = now + 30000 < end ? now + 30000 : end - 1;
        OK(chanson_hub_alive(hub, now, stays));
        answer_due(due, hub, now);
        OK(chanson_hub_timeout(hub, now));
    }
    CHECK(*sent() == 0);
    answer_due(due, hub, end);
    OK(chanson_hub_timeout(hub, end));
    const char *answers = sent();
    CHECK(has(answers, "[\"1\",\"2\",\"room:a\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]"));
    CHECK(has(answers, "[\"2\",\"3\",\"room:b\",\"phx_reply\",{\"status\":\"ok\",\"response\":{}}]"));
}

int main(void) {
    struct options options = {"127.0.0.1", "any", 0, 100, 60000, 2000, NULL, NULL};
    struct due due = {0};
    chanson_builder *builder = rooms_builder(&options, &due);
    OK(chanson_hub_new(builder, &hub));
    OK(chanson_builder_free(builder));
    untracked_twice();
    a_user_whose_name_is_too_long();
    answers_that_nobody_waits_for(&due);
    OK(chanson_hub_free(hub));
    free(due.answers);
    puts("OK");
    return 0;
}
