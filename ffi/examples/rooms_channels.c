#include "rooms_channels.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define ALL(call) if ((call) != CHANSON_OK) return CHANSON_FAIL

/* How long a ticket lives: who asks for more gets his answer then. */
#define TICKET_LIMIT_MS 600000

static int32_t later(chanson_socket *socket, struct due *due, uint64_t ms) {
    struct answer answer = {chanson_socket_now(socket) + (ms < TICKET_LIMIT_MS ? ms : TICKET_LIMIT_MS), 0};
    ALL(chanson_socket_defer(socket, &answer.ticket));
    if (due->count == due->room) {
        due->room = due->room ? 2 * due->room : 64;
        due->answers = realloc(due->answers, due->room * sizeof *due->answers);
        if (!due->answers) abort();
    }
    size_t at = due->count++;
    for (; at > 0 && due->answers[at - 1].at < answer.at; at--) due->answers[at] = due->answers[at - 1];
    due->answers[at] = answer;
    return CHANSON_LATER;
}

void answer_due(struct due *due, chanson_hub *hub, uint64_t now) {
    while (due->count > 0 && due->answers[due->count - 1].at <= now)
        /* A ticket whose client has left meanwhile is dead: nobody waits for this answer. */
        chanson_hub_answer(hub, due->answers[--due->count].ticket, true, chanson_json("{}"));
    if (due->count <= due->sweep_at) return;
    /* Those who ask for a late answer and leave are not to fill the memory. */
    size_t alive = 0;
    for (size_t i = 0; i < due->count; i++)
        if (chanson_hub_is_awaited(hub, due->answers[i].ticket)) due->answers[alive++] = due->answers[i];
    due->count = alive;
    due->sweep_at = alive < 32 ? 64 : 2 * alive;
}

/* The whole number that a field is, or -1. */
static long long number(chanson_payload payload, const char *name) {
    char digits[24] = {0};
    chanson_str field = json_field(payload, name);
    if (field.len == 0 || field.len >= sizeof digits || field.data[0] < '0' || field.data[0] > '9') return -1;
    memcpy(digits, field.data, field.len);
    return strtoll(digits, NULL, 10);
}

/* --- connecting --- */

static int32_t admit(chanson_connect *connect, void *user) {
    chanson_str value;
    char id[300];
    (void)user;
    if (chanson_connect_param(connect, "refuse", &value) == CHANSON_OK) return CHANSON_REFUSE;
    if (chanson_connect_param(connect, "id", &value) == CHANSON_OK) {
        int len = snprintf(id, sizeof id, "user_socket:%.*s", (int)(value.len < 256 ? value.len : 256), value.data);
        chanson_str text = {id, (size_t)len};
        ALL(chanson_connect_set_id(connect, text));
    }
    return CHANSON_DONE;
}

static int32_t admit_with_token(chanson_connect *connect, void *user) {
    chanson_str token;
    if (chanson_connect_auth_token(connect, &token) != CHANSON_OK || !str_is(token, "letmein")) return CHANSON_REFUSE;
    return admit(connect, user);
}

/* --- room:* --- */

/* A join whose user cannot be shown. */
static int32_t refuse_user(chanson_socket *socket, chanson_code why) {
    const char *reason = why == CHANSON_ERR_TOO_LARGE ? "presence key too long" : chanson_code_text(why);
    ALL(chanson_socket_refuse_reason(socket, reason));
    return CHANSON_REFUSE;
}

static int32_t join_room(chanson_socket *socket, const chanson_join *join, void *due) {
    size_t len;
    if (str_is(json_field(join->payload, "deny"), "true")) return CHANSON_REFUSE;
    if (str_is(json_field(join->payload, "crash"), "true")) return CHANSON_CRASH;
    char *user = json_string(json_field(join->payload, "user"), &len);
    if (user) {
        struct text meta = {0};
        chanson_str key = {user, len};
        text_c(&meta, "{\"user\":");
        text_quoted(&meta, user, len);
        text_c(&meta, "}");
        chanson_code code = chanson_socket_track(socket, key, text_json(&meta));
        free(meta.data);
        free(user);
        if (code != CHANSON_OK) return refuse_user(socket, code);
    }
    if (str_is(json_field(join->payload, "push_on_join"), "true"))
        ALL(chanson_socket_push_str(socket, "welcome", "{\"n\":1}"));
    if (number(join->payload, "defer") >= 0) return later(socket, due, (uint64_t)number(join->payload, "defer"));
    chanson_str reply = json_field(join->payload, "reply");
    if (reply.len > 0) {
        chanson_payload payload = {CHANSON_JSON, reply.data, reply.len};
        ALL(chanson_socket_reply(socket, payload));
    }
    return CHANSON_DONE;
}

static int32_t on_broadcast(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    ALL(chanson_socket_broadcast(socket, msg->event, msg->payload));
    return CHANSON_DONE;
}

static int32_t on_broadcast_from(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    ALL(chanson_socket_broadcast_from(socket, msg->event, msg->payload));
    return CHANSON_DONE;
}

static int32_t on_echo(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    ALL(chanson_socket_reply(socket, msg->payload));
    return CHANSON_DONE;
}

static int32_t on_fail(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)msg, (void)user;
    ALL(chanson_socket_refuse_reason(socket, "nope"));
    return CHANSON_REFUSE;
}

static int32_t on_ack(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)msg, (void)user;
    ALL(chanson_socket_reply_str(socket, "{}"));
    return CHANSON_DONE;
}

static int32_t on_push(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    ALL(chanson_socket_push(socket, chanson_str_of("pushed"), msg->payload));
    return CHANSON_DONE;
}

static int32_t on_mixed(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    ALL(chanson_socket_push(socket, chanson_str_of("one"), msg->payload));
    ALL(chanson_socket_broadcast(socket, chanson_str_of("two"), msg->payload));
    ALL(chanson_socket_push(socket, chanson_str_of("three"), msg->payload));
    ALL(chanson_socket_reply(socket, msg->payload));
    return CHANSON_DONE;
}

static int32_t on_later(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    ALL(chanson_socket_push_str(socket, "before", "{}"));
    ALL(chanson_socket_reply(socket, msg->payload));
    ALL(chanson_socket_push_str(socket, "after", "{}"));
    return CHANSON_DONE;
}

static int32_t on_defer(chanson_socket *socket, const chanson_event *msg, void *due) {
    long long ms = number(msg->payload, "ms");
    return later(socket, due, ms > 0 ? (uint64_t)ms : 0);
}

static int32_t on_silent(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)socket, (void)msg, (void)user;
    return CHANSON_DONE;
}

static int32_t on_whoami(chanson_socket *socket, const chanson_event *msg, void *user) {
    struct text answer = {0};
    chanson_str join_ref;
    (void)user;
    ALL(chanson_socket_join_ref(socket, &join_ref));
    text_c(&answer, "{\"join_ref\":");
    text_str(&answer, join_ref);
    text_c(&answer, ",\"ref\":");
    text_str(&answer, msg->ref);
    text_c(&answer, ",\"topic\":");
    text_quoted(&answer, msg->topic.data, msg->topic.len);
    text_c(&answer, ",\"payload\":");
    if (msg->payload.kind == CHANSON_BINARY) {
        struct text inner = {0};
        text_c(&inner, "{:binary, ");
        text_quoted(&inner, msg->payload.data, msg->payload.len);
        text_c(&inner, "}");
        text_quoted(&answer, inner.data, inner.len);
        free(inner.data);
    } else {
        text_add(&answer, msg->payload.data, msg->payload.len);
    }
    text_c(&answer, "}");
    chanson_code code = chanson_socket_reply(socket, text_json(&answer));
    free(answer.data);
    ALL(code);
    return CHANSON_DONE;
}

static int32_t on_bin(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    if (msg->payload.kind != CHANSON_BINARY) return CHANSON_UNMATCHED;
    ALL(chanson_socket_broadcast(socket, chanson_str_of("bin_out"), msg->payload));
    ALL(chanson_socket_reply(socket, msg->payload));
    return CHANSON_DONE;
}

static int32_t on_bin_push(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    if (msg->payload.kind != CHANSON_BINARY) return CHANSON_UNMATCHED;
    ALL(chanson_socket_push(socket, chanson_str_of("bin_pushed"), msg->payload));
    return CHANSON_DONE;
}

static int32_t on_give_bin(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)msg, (void)user;
    ALL(chanson_socket_reply(socket, chanson_binary("data", 4)));
    return CHANSON_DONE;
}

static int32_t on_who(chanson_socket *socket, const chanson_event *msg, void *user) {
    chanson_str list;
    (void)msg, (void)user;
    ALL(chanson_socket_presence_list(socket, &list));
    chanson_payload payload = {CHANSON_JSON, list.data, list.len};
    ALL(chanson_socket_push(socket, chanson_str_of("presence_state"), payload));
    return CHANSON_DONE;
}

static int32_t on_count(chanson_socket *socket, const chanson_event *msg, void *user) {
    char json[48];
    (void)user;
    sprintf(json, "{\"count\":%zu}", chanson_socket_subscriber_count(socket, msg->topic));
    ALL(chanson_socket_reply_str(socket, json));
    return CHANSON_DONE;
}

static int32_t on_stop(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    chanson_socket_stop(socket);
    if (str_is(msg->event, "stop_reply")) ALL(chanson_socket_reply_str(socket, "{}"));
    return CHANSON_DONE;
}

static int32_t on_stop_abnormal(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)socket, (void)msg, (void)user;
    return CHANSON_FAIL;
}

static int32_t on_crash(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)socket, (void)msg, (void)user;
    return CHANSON_CRASH;
}

static int32_t on_kick(chanson_socket *socket, const chanson_event *msg, void *user) {
    size_t len = 0;
    (void)user;
    char *text = json_string(json_field(msg->payload, "id"), &len);
    chanson_str id = {text, len};
    chanson_code code = chanson_socket_disconnect(socket, id, NULL);
    free(text);
    ALL(code);
    return CHANSON_DONE;
}

static int32_t on_drop(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)msg, (void)user;
    ALL(chanson_socket_close(socket, 1011));
    return CHANSON_DONE;
}

/* Everything else in a room. */
static int32_t on_other(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)user;
    if (msg->event.len < 5 || memcmp(msg->event.data, "echo:", 5) != 0) return CHANSON_UNMATCHED;
    ALL(chanson_socket_push(socket, msg->event, msg->payload));
    return CHANSON_DONE;
}

/* --- presence:* --- */

struct user {
    size_t len;
    char name[];
};

static chanson_str user_of(chanson_socket *socket) {
    const struct user *user = chanson_socket_state(socket);
    chanson_str name = {user ? user->name : NULL, user ? user->len : 0};
    return name;
}

static int32_t join_presence(chanson_socket *socket, const chanson_join *join, void *user) {
    size_t len;
    (void)user;
    char *name = json_string(json_field(join->payload, "user"), &len);
    if (!name) {
        ALL(chanson_socket_refuse_reason(socket, "user required"));
        return CHANSON_REFUSE;
    }
    struct user *state = malloc(sizeof *state + len);
    if (!state) abort();
    state->len = len;
    memcpy(state->name, name, len);
    free(name);
    if (chanson_socket_set_state(socket, state, free) != CHANSON_OK) {
        free(state);
        return CHANSON_FAIL;
    }
    struct text meta = {0};
    text_c(&meta, "{\"name\":");
    text_quoted(&meta, state->name, len);
    text_c(&meta, "}");
    chanson_code code = chanson_socket_track(socket, user_of(socket), text_json(&meta));
    free(meta.data);
    if (code != CHANSON_OK) return refuse_user(socket, code);
    ALL(chanson_socket_push_presence_state(socket));
    return CHANSON_DONE;
}

/* The fields of `meta` that `change` has not, then those of `change`. */
static struct text merged(chanson_str meta, chanson_payload change) {
    struct text out = {0};
    chanson_str key, value;
    const char *at[2] = {meta.data, change.data}, *end[2] = {meta.data + meta.len, at[1] + change.len};
    for (int of = 0; of < (change.kind == CHANSON_JSON ? 2 : 1); of++)
        while (json_next(&at[of], end[of], &key, &value)) {
            char name[256];
            snprintf(name, sizeof name, "%.*s", (int)key.len, key.data);
            if (of == 0 && json_field(change, name).len > 0) continue;
            text_c(&out, out.len ? ",\"" : "{\"");
            text_str(&out, key);
            text_c(&out, "\":");
            text_str(&out, value);
        }
    text_c(&out, out.len ? "}" : "{}");
    return out;
}

static int32_t on_update(chanson_socket *socket, const chanson_event *msg, void *user) {
    chanson_str meta;
    (void)user;
    chanson_code code = chanson_socket_presence_meta(socket, user_of(socket), &meta);
    ALL(chanson_socket_reply_str(socket, "{}"));
    if (code == CHANSON_ERR_NOT_TRACKED) return CHANSON_DONE; /* there is nothing to update */
    ALL(code);
    struct text now = merged(meta, msg->payload);
    code = chanson_socket_update(socket, user_of(socket), text_json(&now));
    free(now.data);
    ALL(code);
    return CHANSON_DONE;
}

static int32_t on_untrack(chanson_socket *socket, const chanson_event *msg, void *user) {
    (void)msg, (void)user;
    ALL(chanson_socket_reply_str(socket, "{}"));
    chanson_code code = chanson_socket_untrack(socket, user_of(socket));
    return code == CHANSON_OK || code == CHANSON_ERR_NOT_TRACKED ? CHANSON_DONE : CHANSON_FAIL;
}

/* --- all together --- */

static int32_t echo_raw(chanson_raw *raw, const chanson_payload *message, void *user) {
    (void)user;
    ALL(chanson_raw_send(raw, *message));
    return CHANSON_DONE;
}

static int32_t on_request(chanson_http *http, const chanson_request *request, void *user) {
    (void)user;
    if (!str_is(request->path, "/health") || (!str_is(request->method, "GET") && !str_is(request->method, "HEAD")))
        return CHANSON_UNMATCHED;
    ALL(chanson_http_respond_text(http, 200, "ok"));
    return CHANSON_DONE;
}

static void on_fault(const chanson_fault *fault, void *user) {
    (void)user;
    fprintf(stderr, "%.*s on %.*s: %.*s\n", (int)fault->event.len, fault->event.data, (int)fault->place.len,
            fault->place.data, (int)fault->text.len, fault->text.data);
}

static void must(chanson_builder *builder, chanson_code code) {
    if (code == CHANSON_OK) return;
    fprintf(stderr, "rooms: %s: %s\n", chanson_code_text(code), chanson_builder_error(builder));
    exit(1);
}

struct handler {
    const char *event;
    chanson_on_event handle;
};

static uint32_t channel(chanson_builder *builder, const char *pattern, chanson_on_join on_join, chanson_on_event on_event,
                        const struct handler *handlers, struct due *due) {
    uint32_t number;
    chanson_channel_config config = chanson_channel_config_default();
    config.pattern = pattern;
    config.on_join = on_join;
    config.on_event = on_event;
    config.user = due;
    must(builder, chanson_builder_channel(builder, &config, &number));
    for (; handlers->event; handlers++)
        must(builder, chanson_builder_on(builder, number, handlers->event, handlers->handle, due));
    return number;
}

chanson_builder *rooms_builder(const struct options *options, struct due *due) {
    static const struct handler room[] = {
        {"new_msg", on_broadcast}, {"from", on_broadcast_from}, {"typing", on_broadcast_from}, {"ping", on_echo},
        {"echo", on_echo}, {"fail", on_fail}, {"ack", on_ack}, {"push", on_push}, {"mixed", on_mixed},
        {"later", on_later}, {"defer", on_defer}, {"silent", on_silent}, {"whoami", on_whoami}, {"bin", on_bin},
        {"bin_push", on_bin_push}, {"give_bin", on_give_bin}, {"who", on_who}, {"count", on_count}, {"stop", on_stop},
        {"stop_reply", on_stop}, {"stop_abnormal", on_stop_abnormal}, {"crash", on_crash}, {"kick", on_kick},
        {"drop", on_drop}, {NULL, NULL}};
    static const struct handler notifications[] = {{"ping", on_echo}, {"new_msg", on_broadcast}, {NULL, NULL}};
    static const struct handler presence[] = {
        {"update", on_update}, {"untrack", on_untrack}, {"who", on_who}, {NULL, NULL}};

    chanson_config config = chanson_config_for_connections(options->connections);
    config.on_request = on_request;
    config.on_fault = on_fault;
    chanson_builder *builder = chanson_builder_new(&config);
    if (!builder) exit(1);
    const uint32_t channels[] = {channel(builder, "room:*", join_room, on_other, room, due),
                                 channel(builder, "notifications", NULL, NULL, notifications, due),
                                 channel(builder, "presence:*", join_presence, NULL, presence, due)};

    static const char *const paths[] = {"/socket", "/short", "/limited", "/small", "/auth", "/strict", "/echo", "/deflate",
                                        "/deflate-takeover", "/echo-deflate", "/echo-deflate-takeover"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        uint32_t number;
        chanson_mount_config mount = chanson_mount_config_default();
        mount.path = paths[i];
        mount.origins = strcmp(options->origin, "any") == 0 ? "*" : options->origin;
        if (strcmp(options->origin, "same") == 0) mount.origins = NULL;
        mount.max_message = 2 << 20;
        mount.idle_timeout_ms = options->heartbeat_timeout_ms;
        mount.ticket_limit_ms = TICKET_LIMIT_MS;
        mount.max_offences = 0;
        mount.on_connect = admit;
        if (strcmp(paths[i], "/short") == 0) mount.idle_timeout_ms = 1500;
        if (strcmp(paths[i], "/limited") == 0) mount.max_joins = 2;
        if (strcmp(paths[i], "/small") == 0) mount.max_message = 1024;
        if (strcmp(paths[i], "/auth") == 0) mount.on_connect = admit_with_token;
        if (strcmp(paths[i], "/strict") == 0) mount.origins = "localhost";
        mount.deflate = strstr(paths[i], "deflate") != NULL;
        mount.deflate_takeover = strstr(paths[i], "takeover") != NULL;
        if (mount.deflate_takeover || strstr(paths[i], "echo-deflate")) mount.deflate_threshold = 0;
        if (strncmp(paths[i], "/echo", 5) == 0) {
            mount.raw = true;
            mount.max_message = 16 << 20;
            mount.on_message = echo_raw;
        }
        must(builder, chanson_builder_mount(builder, &mount, &number));
        for (size_t c = 0; !mount.raw && c < 3; c++) must(builder, chanson_builder_serve(builder, number, channels[c]));
    }
    return builder;
}
