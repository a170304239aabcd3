// A game server: sixty ticks a second, in each of which the server is pumped without ever waiting for it. Players join
// `game:*` and move by the events `left`, `right`, `up` and `down`; what the world looks like goes out each tick as one binary
// broadcast: the tick (4 bytes), then for each player its number (4), x (2) and y (2), least byte first.
//
//     make -C ffi examples && target/ffi-examples/game --port 4000
//
// Every few seconds and at the end it prints how long the work of a tick took, and how late ticks began: the loop is the
// game's, and channels do not disturb it.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "chanson.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr auto TICK = std::chrono::duration_cast<clock_type::duration>(std::chrono::nanoseconds(1'000'000'000 / 60));
constexpr int WIDTH = 1000, HEIGHT = 600;

std::atomic<int> stops_asked{0}; // the second one does not wait for players to say goodbye
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may set it");

struct player {
    std::uint32_t number;
    int x = WIDTH / 2, y = HEIGHT / 2, dx = 0, dy = 0;
};

// One world for each topic, and in it a player for each connection that joined.
struct game {
    std::uint32_t tick = 0, joined = 0;
    std::map<std::string, std::map<chanson::conn_id, player>, std::less<>> worlds;

    chanson::channel channel();
    void step();
    void show(chanson::server &server);
};

chanson::channel game::channel() {
    chanson::channel channel("game:*");
    channel.on_join([this](chanson::socket &socket, const chanson::join &join) {
        player made{++joined};
        const auto number = std::to_string(made.number);
        worlds[std::string(join.topic)].insert_or_assign(socket.conn(), made);
        return socket.reply(R"({"you are":)" + number + "}");
    });
    channel.on_leave([this](chanson::socket &socket, const chanson::leave &leave) {
        const auto world = worlds.find(leave.topic);
        if (world == worlds.end()) return;
        world->second.erase(socket.conn());
        if (world->second.empty()) worlds.erase(world);
    });
    const auto steer = [&](const char *event, int dx, int dy) {
        channel.on(event, [this, dx, dy](chanson::socket &socket, const chanson::event &event) {
            player &mine = worlds.find(event.topic)->second.at(socket.conn());
            mine.dx = dx;
            mine.dy = dy;
        });
    };
    steer("left", -4, 0);
    steer("right", 4, 0);
    steer("up", 0, -4);
    steer("down", 0, 4);
    return channel;
}

void game::step() {
    tick++;
    for (auto &[topic, players] : worlds) {
        for (auto &[conn, each] : players) {
            each.x = std::clamp(each.x + each.dx, 0, WIDTH - 1);
            each.y = std::clamp(each.y + each.dy, 0, HEIGHT - 1);
        }
    }
}

// Encoded once, whatever the number of players.
void game::show(chanson::server &server) {
    std::string bytes;
    const auto put = [&](std::uint32_t value, int width) {
        for (int i = 0; i < width; i++) bytes.push_back(static_cast<char>(value >> 8 * i));
    };
    for (const auto &[topic, players] : worlds) {
        bytes.clear();
        put(tick, 4);
        for (const auto &[conn, each] : players) {
            put(each.number, 4);
            put(static_cast<std::uint32_t>(each.x), 2);
            put(static_cast<std::uint32_t>(each.y), 2);
        }
        if (auto sent = server.hub().broadcast(topic, "state", chanson::binary(bytes)); !sent) {
            std::fprintf(stderr, "%s: %s\n", topic.c_str(), sent.error().text.c_str());
        }
    }
}

// How long things took, of which the slow ones matter.
class percentiles {
public:
    explicit percentiles(const char *name) : name_(name) {}
    void add(clock_type::duration took) { took_.push_back(std::chrono::duration_cast<microseconds>(took)); }
    void print() {
        if (took_.empty()) return;
        std::sort(took_.begin(), took_.end());
        const auto at = [&](double part) {
            return static_cast<long>(took_[static_cast<std::size_t>(part * static_cast<double>(took_.size() - 1))].count());
        };
        std::printf("%s: p50 %ld us, p99 %ld us, p99.9 %ld us, max %ld us of %zu ticks\n", name_, at(0.5), at(0.99), at(0.999),
                    at(1.0), took_.size());
        std::fflush(stdout);
        took_.clear();
    }

private:
    const char *name_;
    std::vector<microseconds> took_;
};

unsigned long number(const char *text) {
    char *end = nullptr;
    const unsigned long value = std::strtoul(text, &end, 10);
    if (*text == '\0' || *end != '\0') {
        std::fprintf(stderr, "game: %s is no number\n", text);
        std::exit(2);
    }
    return value;
}

} // namespace

int main(int argc, char **argv) {
    unsigned long port = 4000, ticks = 0, report = 5;
    const char *cert = nullptr, *key = nullptr;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view flag = argv[i];
        const bool valued = i + 1 < argc;
        if (valued && flag == "--port") port = number(argv[i + 1]);
        else if (valued && flag == "--ticks") ticks = number(argv[i + 1]);
        else if (valued && flag == "--report") report = number(argv[i + 1]);
        else if (valued && flag == "--tls-cert") cert = argv[i + 1];
        else if (valued && flag == "--tls-key") key = argv[i + 1];
        else {
            std::fprintf(stderr, "usage: game [--port 4000] [--ticks N: end after so many] [--report SECONDS]"
                                 " [--tls-cert FILE --tls-key FILE]\n");
            return 2;
        }
    }
    std::signal(SIGTERM, [](int) { stops_asked++; });
    std::signal(SIGINT, [](int) { stops_asked++; });

    game game;
    chanson::config config;
    config.on_fault = [](const chanson::fault &fault) {
        std::fprintf(stderr, "%.*s failed\n", static_cast<int>(fault.event.size()), fault.event.data());
    };
    chanson::builder builder(config);
    builder.mount(chanson::mount("/socket").origins("*").serve(game.channel()));
    chanson_endpoint_config endpoint = chanson_endpoint_config_default();
    chanson_server_config listening = chanson_server_config_default();
    listening.endpoint = &endpoint;
    auto acceptor = chanson::acceptor::make();
    if (cert || key) {
        const auto set = acceptor ? acceptor->set_files(cert ? cert : "", key ? key : "") : acceptor.error();
        if (!set) {
            std::fprintf(stderr, "game: TLS: %s\n", set.error().text.c_str());
            return 1;
        }
        endpoint.acceptor = acceptor->get();
    }
    auto bound = chanson::server::bind(builder, "127.0.0.1:" + std::to_string(port), listening);
    if (!bound) {
        std::fprintf(stderr, "game: %s\n", bound.error().text.c_str());
        return 1;
    }
    chanson::server server = *std::move(bound);
    std::printf("listening on %s\n", server.address().c_str());
    std::fflush(stdout);

    percentiles work("work of a tick"), late("late by");
    auto next = clock_type::now();
    while (stops_asked == 0 && (ticks == 0 || game.tick < ticks)) {
        std::this_thread::sleep_until(next);
        const auto begun = clock_type::now();
        late.add(begun - next);
        server.poll().value(); // what came: joins and inputs
        game.step();
        game.show(server);
        server.poll().value(); // what goes: the state, in this tick and not the next
        work.add(clock_type::now() - begun);
        // After a stall (a laptop that slept) it goes on from now instead of running after the clock.
        next = std::max(next + TICK, clock_type::now() - TICK);
        if (report > 0 && game.tick % (60 * report) == 0) {
            work.print();
            late.print();
        }
    }
    work.print();
    late.print();

    server.shutdown().value();
    while (!server.is_finished()) {
        server.poll(chanson::milliseconds(100)).value();
        if (stops_asked > 1) server.shutdown().value();
    }
    return 0;
}
