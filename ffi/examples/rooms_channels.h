/* What the rooms server does, whoever moves its bytes. */
#ifndef ROOMS_CHANNELS_H
#define ROOMS_CHANNELS_H

#include "chanson.h"

struct options {
    const char *host;
    const char *origin; /* any, same, or where pages may come from */
    uint16_t port;
    size_t connections;
    uint64_t heartbeat_timeout_ms, drain_ms;
    const char *tls_cert, *tls_key; /* files in PEM, or NULL */
};

/* Answers that are due later, the earliest last. */
struct due {
    struct answer {
        uint64_t at, ticket;
    } *answers;
    size_t count, room;
    size_t sweep_at; /* when there are more, those that nobody waits for any more are looked for */
};

/* All mounts and channels; exits with a message if they make no sense. `due` has to live as long as what is made of it. */
chanson_builder *rooms_builder(const struct options *options, struct due *due);

/* Gives all answers that are due. Once a turn. */
void answer_due(struct due *due, chanson_hub *hub, uint64_t now);

#endif
