// What becomes of closures in the C++ wrapper: what they may answer with, that an exception in any of them ends what it was
// called for and nothing else, and that they live as long as somebody may call them.

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#define CHANSON_EXCEPTIONS
#include "chanson.hpp"
#include "test.h"

namespace {

using chanson::milliseconds;

constexpr milliseconds NOW(1000);

// A closure that throws, with something in it that has to be freed.
struct thrower {
    template <class... Args> void operator()(Args &&...) const { throw std::runtime_error(*text); }
    std::shared_ptr<std::string> text = std::make_shared<std::string>("an exception with a long enough text");
};

// One client of a hub, and what it was sent.
struct client {
    chanson::hub &hub;
    chanson::conn_id conn;
    std::uint64_t ref = 1;

    explicit client(chanson::hub &of) : hub(of), conn(of.connect(NOW, "192.0.2.1:5000").value()) {}
    int open(std::string_view target = "/socket/websocket?vsn=2.0.0&name=ann") {
        return hub.open(NOW, conn, target).value().kind;
    }
    std::string say(std::string_view topic, std::string_view event, std::string_view payload = "{}") {
        const std::string text = std::string(R"(["1",")") + std::to_string(ref++) + R"(",")" + std::string(topic) + R"(",")" +
                                 std::string(event) + R"(",)" + std::string(payload) + "]";
        hub.text(NOW, conn, text).value();
        return heard();
    }
    std::string heard() {
        std::string all;
        while (auto output = hub.poll_output()) {
            if (output->kind == CHANSON_OUTPUT_DELIVER) all += std::string(chanson::payload(output->message).view()) + "\n";
            if (output->kind == CHANSON_OUTPUT_CLOSE) all += "close " + std::to_string(output->close_code) + "\n";
        }
        return all;
    }
};

bool has(const std::string &text, std::string_view part) {
    if (text.find(part) != std::string::npos) return true;
    std::fprintf(stderr, "not in: %s\n", text.c_str());
    return false;
}

void exceptions_end_what_they_were_thrown_in() {
    int faults = 0;
    chanson::config config;
    config.on_request = [](chanson::http &) -> chanson::verdict { throw 1; };
    config.on_fault = [&](const chanson::fault &fault) {
        CHECK(fault.crashed && !fault.event.empty() && !fault.text.empty());
        faults++;
        throw std::runtime_error("in the fault closure, too");
    };
    chanson::builder builder(config);
    builder
        .mount(chanson::mount("/socket")
                   .serve(chanson::channel("join:*").on_join(thrower()))
                   .serve(chanson::channel("leave:*").on_leave(thrower()))
                   .serve(chanson::channel("event:*").on("one", thrower()).on_any(thrower()))
                   .serve(chanson::channel("fine:*").on("echo", [](chanson::socket &socket, const chanson::event &event) {
                       return socket.reply(event.payload);
                   })))
        .mount(chanson::mount("/closed").on_connect(thrower()))
        .mount(chanson::mount::raw("/open").on_open(thrower()))
        .mount(chanson::mount::raw("/message").on_message(thrower()))
        .mount(chanson::mount::raw("/close").on_close(thrower()));
    chanson::hub hub = chanson::hub::make(builder).value();

    client ann(hub);
    CHECK(ann.open() == CHANSON_OUTPUT_OPEN);
    CHECK(has(ann.say("fine:1", "phx_join"), R"("status":"ok")"));
    CHECK(has(ann.say("join:1", "phx_join"), R"({"reason":"join crashed"})") && faults == 1);
    CHECK(has(ann.say("event:1", "phx_join"), R"("status":"ok")"));
    CHECK(has(ann.say("event:1", "one"), "phx_error") && faults == 2);
    CHECK(has(ann.say("event:1", "phx_join"), R"("status":"ok")"));
    CHECK(has(ann.say("event:1", "another"), "phx_error") && faults == 3);
    CHECK(has(ann.say("leave:1", "phx_join"), R"("status":"ok")"));
    CHECK(!ann.say("leave:1", "phx_leave").empty() && faults == 4);

    client bob(hub);
    chanson_output answer = hub.open(NOW, bob.conn, "/closed/websocket?vsn=2.0.0").value();
    CHECK(answer.kind == CHANSON_OUTPUT_REFUSE && answer.status == 500 && faults == 5);
    answer = hub.request(NOW, bob.conn, "GET", "/page").value();
    CHECK(answer.kind == CHANSON_OUTPUT_RESPOND && answer.status == 500 && faults == 6);

    client raw_open(hub), raw_message(hub), raw_close(hub);
    CHECK(raw_open.open("/open") == CHANSON_OUTPUT_OPEN);
    CHECK(has(raw_open.heard(), "close 1011") && faults == 7);
    CHECK(raw_message.open("/message") == CHANSON_OUTPUT_OPEN);
    hub.text(NOW, raw_message.conn, "text").value();
    CHECK(has(raw_message.heard(), "close 1011") && faults == 8);
    CHECK(raw_close.open("/close") == CHANSON_OUTPUT_OPEN);
    hub.close(NOW, raw_close.conn).value();
    CHECK(faults == 9 && hub.stats().crashes == 9);

    // And nothing else has ended.
    CHECK(has(ann.say("fine:1", "echo", R"({"still":"here"})"), R"({"still":"here"})"));
}

void verdicts_are_what_closures_answer() {
    std::vector<std::string> log;
    chanson::config config;
    config.on_log = [&](chanson_level level, std::string_view text) {
        if (level == CHANSON_LOG_ERROR) log.emplace_back(text);
        throw std::runtime_error("nobody is left to hear of this one, either");
    };
    config.on_request = [](chanson::http &http) { return http.respond_text(200, "a page"); };
    chanson::builder builder(config);
    chanson::channel channel("room:*");
    channel.on_join([](chanson::socket &socket, const chanson::join &join) -> chanson::answer {
        if (join.topic == "room:full") return socket.refuse("full");
        if (join.topic == "room:odd") return socket.refuse_with(R"({"odd":[1]})");
        if (join.topic == "room:failing") return socket.reply("{no json");
        return chanson::result<void>();
    });
    channel.on("nothing", [](chanson::socket &, const chanson::event &) {});
    channel.on("badly", [](chanson::socket &socket, const chanson::event &) { return socket.reply("{no json"); });
    channel.on("later", [](chanson::socket &socket, const chanson::event &) {
        auto ticket = socket.defer();
        socket.set_assign("ticket", std::to_string(*ticket)).value();
        return chanson::verdict::later;
    });
    channel.on("unknown", [](chanson::socket &, const chanson::event &) { return chanson::verdict::unmatched; });
    channel.on("who", [](chanson::socket &socket, const chanson::event &event) {
        CHECK(socket.topic() == "room:1" && event.topic == "room:1" && event.name == "who" && !event.payload.is_binary());
        CHECK(socket.param("name") == "ann" && !socket.param("nobody") && socket.peer() == "192.0.2.1:5000");
        CHECK(!socket.id() && socket.is_joined("room:1") && socket.subscriber_count("room:1") == 1);
        CHECK(socket.now() == NOW && !socket.assign("name"));
        CHECK(socket.push_on("room:2", "x").code() == CHANSON_ERR_NOT_JOINED);
        CHECK(socket.track("ann", "[]").code() == CHANSON_ERR_JSON);
        socket.track("ann", R"({"a":1})").value();
        CHECK(socket.presence_meta("ann").value().find("\"a\":1") != std::string_view::npos);
        socket.untrack("ann").value();
        CHECK(socket.presence_list().value() == "[]");
        return socket.reply(chanson::binary(std::string_view("\0\1", 2)));
    });
    builder.mount(chanson::mount().idle_timeout(milliseconds(5000)).serve(channel));
    builder.mount(chanson::mount("/strict").max_offences(2));
    chanson::hub hub = chanson::hub::make(builder).value();
    client ann(hub);
    CHECK(hub.request(NOW, ann.conn, "GET", "/page").value().status == 200);
    CHECK(ann.open() == CHANSON_OUTPUT_OPEN);
    CHECK(has(ann.say("room:failing", "phx_join"), R"({"reason":"join crashed"})"));
    CHECK(log.size() == 1 && has(log[0], R"("phx_join" on "room:failing" failed)"));
    CHECK(has(ann.say("room:full", "phx_join"), R"({"reason":"full"})"));
    CHECK(has(ann.say("room:odd", "phx_join"), R"({"odd":[1]})"));
    CHECK(has(ann.say("room:1", "phx_join"), R"("status":"ok")"));
    CHECK(ann.say("room:1", "nothing").empty());
    CHECK(has(ann.say("room:1", "unknown"), "unmatched event"));
    ann.say("room:1", "who");
    CHECK(has(ann.say("room:1", "badly"), "phx_error"));
    CHECK(has(ann.say("room:1", "phx_join"), R"("status":"ok")"));
    CHECK(ann.say("room:1", "later").empty());
    CHECK(hub.stats().tickets == 1);
    CHECK(hub.answer(12345, true).code() != CHANSON_OK && !hub.answer(12345, true).error().text.empty());
    CHECK(hub.poll_timeout() && *hub.poll_timeout() > NOW);
    hub.timeout(NOW + milliseconds(5001)).value();
    CHECK(has(ann.heard(), "close 1001"));

    client bob(hub);
    CHECK(bob.open("/strict/websocket?vsn=2.0.0") == CHANSON_OUTPUT_OPEN);
    CHECK(has(bob.say("nowhere", "phx_join"), "unmatched topic"));
    CHECK(has(bob.say("nowhere", "phx_join"), "close 1008"));
    // None has it, and that does not matter.
    hub.disconnect("nobody").ignore();
}

// Built with compression or without.
void messages_are_compressed_where_that_is_asked_for() {
    chanson::builder builder;
    builder.mount(chanson::mount().deflate().deflate_level(9).deflate_threshold(1).serve(chanson::channel("room:*")));
    auto made = chanson::endpoint::make(builder);
    if (!made) {
        CHECK(made.code() == CHANSON_ERR_NOT_ALLOWED);
        return;
    }
    chanson::endpoint endpoint = *std::move(made);
    chanson::session session = endpoint.connect(NOW).value();
    std::string handshake = HANDSHAKE;
    handshake.insert(handshake.size() - 2, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    session.bytes(NOW, handshake).value();
    CHECK(has(std::string(session.pending()), "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"));
    chanson::builder takeover;
    takeover.mount(chanson::mount().deflate(true));
    chanson::endpoint another = chanson::endpoint::make(takeover).value();
    session = another.connect(NOW).value();
    session.bytes(NOW, handshake).value();
    CHECK(has(std::string(session.pending()), "Sec-WebSocket-Extensions: permessage-deflate\r\n"));
}

void what_is_captured_lives_as_long_as_it_may_be_called() {
    auto captured = std::make_shared<int>(0);
    auto state = std::make_shared<int>(0);
    std::optional<chanson::hub> first, second;
    {
        chanson::builder builder;
        {
            chanson::channel channel("room:*");
            channel.on_join([captured, state](chanson::socket &socket, const chanson::join &) {
                ++*captured;
                CHECK(!socket.state<int>());
                auto *made = socket.set_state<std::shared_ptr<int>>(state).value();
                CHECK(*made == state && socket.state<std::shared_ptr<int>>() == made && !socket.state<int>());
            });
            builder.mount(chanson::mount().serve(channel));
        }
        first = chanson::hub::make(builder).value();
        second = chanson::hub::make(builder).value();
    }
    client ann(*first);
    ann.open();
    ann.say("room:1", "phx_join");
    CHECK(*captured == 1 && captured.use_count() == 2 && state.use_count() == 3);
    first.reset(); // with the join in it
    CHECK(captured.use_count() == 2 && state.use_count() == 2);
    client bob(*second);
    bob.open();
    bob.say("room:1", "phx_join");
    CHECK(*captured == 2);
    // What is assigned over goes as what is destroyed does.
    *second = chanson::hub::make(chanson::builder()).value();
    CHECK(captured.use_count() == 1 && state.use_count() == 1);
}

void what_is_refused_says_why() {
    chanson::builder builder;
    builder.mount(chanson::mount("no path").serve(chanson::channel("a:*")));
    auto hub = chanson::hub::make(builder);
    CHECK(!hub && hub.code() == CHANSON_ERR_BUILD && !hub.error().text.empty());
    bool caught = false;
    try {
        static_cast<void>(std::move(hub).value());
    } catch (const chanson::exception &exception) {
        caught = exception.code() == CHANSON_ERR_BUILD && *exception.what() != '\0';
    }
    CHECK(caught);
    CHECK(chanson::server::bind(chanson::builder(), "nowhere").code() == CHANSON_ERR_IO);

    chanson::builder unsized([] {
        chanson::config config;
        config.bounds.size = 0;
        return config;
    }());
    CHECK(unsized.status().code() == CHANSON_ERR_ARGUMENT);
    CHECK(chanson::hub::make(unsized.mount(chanson::mount())).code() == CHANSON_ERR_ARGUMENT);

    // A handle that was moved from answers, and that is all.
    chanson::endpoint moved = chanson::endpoint::make(chanson::builder()).value();
    chanson::endpoint endpoint = std::move(moved);
    CHECK(moved.connect(NOW).code() == CHANSON_ERR_NULL && !moved.poll_timeout() && !moved.poll_writable());
    chanson::session none;
    CHECK(none.bytes(NOW, "x").code() == CHANSON_ERR_NULL && none.is_finished() && none.pending().empty());
}

void sessions_take_and_give_bytes() {
    chanson::builder builder;
    builder.mount(chanson::mount().origins("*").serve(chanson::channel("room:*")));
    chanson::endpoint endpoint = chanson::endpoint::make(builder).value();
    int mine = 0;
    chanson::session session = endpoint.connect(NOW, "192.0.2.1:5000", &mine).value();
    CHECK(session.user() == &mine && session.wants_bytes());
    session.bytes(NOW, HANDSHAKE).value();
    CHECK(endpoint.poll_writable() == session);
    CHECK(session.pending().substr(0, 12) == "HTTP/1.1 101");
    std::string sent;
    bool blocked = false;
    const auto few = [&](const chanson_iovec *iov, std::size_t count) -> std::size_t {
        CHECK(count == 1);
        if (std::exchange(blocked, !blocked)) return 0;
        const std::size_t len = std::min<std::size_t>(iov[0].len, 100);
        sent.append(static_cast<const char *>(iov[0].data), len);
        return len;
    };
    CHECK(session.transmit(NOW, few).value() == (CHANSON_NEXT_BLOCKED | CHANSON_NEXT_WANTS_BYTES));
    CHECK(sent.size() == 100 && sent.substr(0, 12) == "HTTP/1.1 101" && !session.pending().empty());
    while (session.transmit(NOW, few).value() & CHANSON_NEXT_BLOCKED) {}
    CHECK(session.pending().empty() && sent.substr(sent.size() - 4) == "\r\n\r\n");
    unsigned char frame[160];
    session.bytes(NOW, frame, client_frame(frame, 1, R"(["1","1","room:1","phx_join",{}])")).value();
    // Small messages may leave as one piece, large ones are pieces of their own.
    endpoint.hub().broadcast("room:1", "news", '"' + std::string(5000, 'x') + '"').value();
    chanson_iovec iov[4];
    CHECK(endpoint.poll_writable() == session && session.pending(iov, 4) == 2);
    // What sending throws comes out, and nothing has left.
    bool thrown = false;
    try {
        CHECK(!session.transmit(NOW, [](const chanson_iovec *, std::size_t) -> int { throw std::runtime_error("cut"); }));
    } catch (const std::runtime_error &error) {
        thrown = error.what() == std::string("cut");
    }
    CHECK(thrown && session.pending(iov, 4) == 2);
    CHECK(session.transmit(NOW, [](const chanson_iovec *, std::size_t) { return -1; }).code() == CHANSON_ERR_IO);
    CHECK(endpoint.hub().subscriber_count("room:1") == 1 && endpoint.hub().is_joined(session.conn(), "room:1"));
    CHECK(endpoint.poll_timeout());
    session.close(NOW).value();
    CHECK(session.close(NOW).code() == CHANSON_ERR_UNKNOWN_CONN);
    endpoint.timeout(NOW).value();
}

void other_threads_talk_by_remotes() {
    chanson::server server = chanson::server::bind(chanson::builder(), "127.0.0.1:0").value();
    CHECK(server.port() != 0 && server.fd() >= 0 && server.address() == "127.0.0.1:" + std::to_string(server.port()));
    chanson::remote remote = server.remote();
    std::thread thread([other = remote.clone()] {
        other.broadcast("room:1", "news", R"({"a":1})").value();
        CHECK(other.broadcast("room:1", "news", "{no json").code() == CHANSON_ERR_JSON);
        auto count = other.subscriber_count("room:1").value();
        CHECK(count.wait().value() == 0 && count.get().value() == 0);
        auto who = other.presence("room:1").value();
        CHECK(who.get(milliseconds(60000)).value() == "[]");
        other.shutdown().value();
    });
    while (!server.is_finished()) server.poll(milliseconds(100)).value();
    thread.join();
    CHECK(remote.stats().commands >= 1 && remote.is_closed());
    server = chanson::server::bind(chanson::builder(), "127.0.0.1:0").value();
    CHECK(remote.broadcast("room:1", "news").code() == CHANSON_ERR_CLOSED && !server.is_finished());
    CHECK(remote.presence("room:1").code() == CHANSON_ERR_CLOSED);
    chanson::query<std::size_t> late = server.remote().subscriber_count("room:1").value();
    CHECK(late.get().code() == CHANSON_EMPTY);
    server.poll().value();
}

void clients_join_and_push() {
    chanson::builder builder;
    chanson::channel rooms("room:*");
    rooms.on("echo", [](chanson::socket &socket, const chanson::event &event) { return socket.reply(event.payload); });
    builder.mount(chanson::mount().serve(rooms));
    chanson::server server = chanson::server::bind(builder, "127.0.0.1:0").value();
    int joined = 0, replies = 0, aborted = 0;
    chanson::client_config config;
    config.url = "ws://" + server.address() + "/socket";
    config.params = {{"name", "ann"}};
    config.on_event = [&](chanson::client_ref &client, const chanson::client_event &event) {
        if (event.kind() != CHANSON_CLIENT_JOINED) return;
        joined++;
        CHECK(event.topic() == "room:1" && client.is_joined(event.channel()));
        // From inside a closure, too.
        client.push(event.channel(), "echo", R"({"a":1})", [&](chanson::client_ref &, const chanson::client_event &reply) {
            CHECK(reply.ok() && reply.payload().view() == R"({"a":1})");
            replies++;
        }).value();
        throw std::runtime_error("joined");
    };
    auto captured = std::make_shared<int>(0);
    {
        chanson::client client = chanson::client::make(config).value();
        const auto channel = client.join("room:1").value();
        CHECK(!client.is_joined(channel) && client.channel("room:1") == channel && !client.thrown());
        client.push(channel, "echo", R"({"b":2})", [&, captured](chanson::client_ref &, const chanson::client_event &) {
            replies++;
            throw 1;
        }).value();
        const auto never = [captured](chanson::client_ref &, const chanson::client_event &) { CHECK(false); };
        CHECK(client.push(channel, "echo", "{no json", never).code() == CHANSON_ERR_JSON);
        CHECK(captured.use_count() == 3); // `never` and the one that waits
        while (replies < 2) {
            client.poll(milliseconds(5)).value();
            server.poll(milliseconds(5)).value();
        }
        CHECK(joined == 1 && captured.use_count() == 2 && client.fd() >= 0 && client.poll_timeout());
        CHECK(client.thrown() && !client.thrown());
        CHECK(client.topic(channel).value() == "room:1");
        bool timed_out = false;
        // A push of a channel that is not joined runs out of time.
        const auto other = client.join("nobody serves this").value();
        client.push_within(other, "echo", {}, milliseconds(10), [&](chanson::client_ref &, const chanson::client_event &end) {
            timed_out = end.kind() == CHANSON_CLIENT_TIMEOUT;
        }).value();
        while (!timed_out) client.wait().value();
        client.leave(other).value();
        client.ping().value();
        client.push(channel, "echo", {}, [&, captured](chanson::client_ref &none, const chanson::client_event &event) {
            CHECK(!none && event.kind() == CHANSON_CLIENT_ABORTED);
            CHECK(none.leave(event.channel()).code() == CHANSON_ERR_NULL);
            aborted++;
        }).value();
    }
    CHECK(aborted == 1 && captured.use_count() == 1);
    config.url = "nowhere";
    CHECK(!chanson::client::make(config));
}

// Built with TLS or without.
void acceptors_say_what_is_wrong() {
    auto made = chanson::acceptor::make();
    if (!made) {
        CHECK(made.code() == CHANSON_ERR_NOT_ALLOWED);
        return;
    }
    chanson::acceptor acceptor = *std::move(made);
    CHECK(acceptor.set({}).code() == CHANSON_ERR_ARGUMENT);
    CHECK(acceptor.set_pem("no", "PEM").code() == CHANSON_ERR_ARGUMENT);
    const auto missing = acceptor.set_files("/nowhere/chain.pem", "/nowhere/key.pem");
    CHECK(missing.code() == CHANSON_ERR_IO && missing.error().text.find("/nowhere/chain.pem: ") == 0);
    // One that is nobody is none.
    chanson_endpoint_config config = chanson_endpoint_config_default();
    config.acceptor = acceptor.get();
    CHECK(chanson::endpoint::make(chanson::builder(), config).code() == CHANSON_ERR_ARGUMENT);
}

} // namespace

int main() {
    exceptions_end_what_they_were_thrown_in();
    verdicts_are_what_closures_answer();
    messages_are_compressed_where_that_is_asked_for();
    what_is_captured_lives_as_long_as_it_may_be_called();
    what_is_refused_says_why();
    sessions_take_and_give_bytes();
    other_threads_talk_by_remotes();
    clients_join_and_push();
    acceptors_say_what_is_wrong();
    std::puts("OK");
}
