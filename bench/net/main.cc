// What waiting and HTTP cost on the event loop, in CPU time of its one thread.

#include "net/block_on.h"
#include "net/gate.h"
#include "net/http_client.h"
#include "net/http_parser.h"
#include "net/http_server.h"
#include "net/timer.h"

#include <benchmark/benchmark.h>

#include <array>
#include <memory>

namespace {

using namespace holdfast;
using namespace holdfast::net;
using namespace std::chrono_literals;

constexpr int rounds = 1000;

Task<void> play(Event* mine, Event* theirs) {
    for (int i = 0; i < rounds; ++i) {
        theirs->set();
        CO_TRY(bool woken, co_await mine->wait(Deadline::after(30s)));
        CHECK(woken);
    }
    co_return Result<void>{};
}

void event_wait_and_wake(benchmark::State& state) {
    Loop loop{1};
    Event ping(loop, Event::Reset::Auto), pong(loop, Event::Reset::Auto);
    for (auto _ : state) {
        Gate gate(loop, "bench");
        CHECK(gate.spawn(play(&ping, &pong)).has_value());
        CHECK(gate.spawn(play(&pong, &ping)).has_value());
        CHECK(block_on(loop, gate.close(Deadline::after(1min))).has_value());
    }
    state.SetItemsProcessed(state.iterations() * rounds * 2);
}
BENCHMARK(event_wait_and_wake);

Task<void> nothing() { co_return Result<void>{}; }

void gate_spawn(benchmark::State& state) {
    Loop loop{1};
    for (auto _ : state) {
        Gate gate(loop, "bench");
        for (int i = 0; i < rounds; ++i) CHECK(gate.spawn(nothing()).has_value());
        CHECK(block_on(loop, gate.close(Deadline::after(1min))).has_value());
    }
    state.SetItemsProcessed(state.iterations() * rounds);
}
BENCHMARK(gate_spawn);

Task<void> with_deadlines() {
    for (int i = 0; i < rounds; ++i) {
        CO_TRY_VOID(co_await with_deadline(nothing(), Deadline::after(30s)));
    }
    co_return Result<void>{};
}

void with_deadline_around_nothing(benchmark::State& state) {
    Loop loop{1};
    for (auto _ : state) CHECK(block_on(loop, with_deadlines()).has_value());
    state.SetItemsProcessed(state.iterations() * rounds);
}
BENCHMARK(with_deadline_around_nothing);

constexpr std::string_view request_head =
    "POST /v1/payment_intents HTTP/1.1\r\n"
    "Host: 127.0.0.1:8080\r\n"
    "Authorization: Bearer sk_test_1234567890123456789012345\r\n"
    "Content-Type: application/x-www-form-urlencoded\r\n"
    "User-Agent: Stripe/v1 NodeBindings/17.0.0\r\n"
    "Idempotency-Key: 8f14e45f-ceea-467f-a0e6-1f0b5c8f3d2a\r\n"
    "Accept: application/json\r\n"
    "Content-Length: 60\r\n\r\n";

void parse_head(benchmark::State& state) {
    for (auto _ : state) {
        std::size_t scanned = 0;
        auto size = find_request_head_end(request_head, scanned, {});
        auto head = parse_request_head(request_head.substr(0, *size), {});
        benchmark::DoNotOptimize(head);
    }
}
BENCHMARK(parse_head);

Task<HttpResponse> answer(HttpRequest) {
    HttpResponse response;
    response.headers.add("Content-Type", "application/json");
    response.body = R"({"id":"pi_123","object":"payment_intent","amount":1000,"currency":"usd"})";
    co_return response;
}

Task<void> ask(HttpClient* client, std::uint16_t port, int times) {
    for (int i = 0; i < times; ++i) {
        HttpClientRequest request{.method = "POST", .host = "127.0.0.1", .port = port};
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        request.body = "amount=1000&currency=usd&confirm=true";
        CO_TRY(auto response, co_await client->request(std::move(request), Deadline::after(10s)));
        CHECK(response.status == 200);
    }
    co_return Result<void>{};
}

/// Client and server on one loop: the cost of both.
void http_request_client_and_server(benchmark::State& state) {
    auto connections = static_cast<int>(state.range(0));
    Loop loop{1};
    auto server = HttpServer::create(loop, {}, answer);
    CHECK(server.has_value());
    (*server)->start();
    HttpClient client(loop, {.connections_per_host = static_cast<std::size_t>(connections)});
    for (auto _ : state) {
        Gate gate(loop, "bench");
        for (int i = 0; i < connections; ++i) {
            CHECK(gate.spawn(ask(&client, (*server)->port(), rounds / connections)).has_value());
        }
        CHECK(block_on(loop, gate.close(Deadline::after(1min))).has_value());
    }
    state.SetItemsProcessed(state.iterations() * (rounds / connections) * connections);
    client.close_idle();
    CHECK(block_on(loop, (*server)->drain(Deadline::after(5s))).has_value());
}
BENCHMARK(http_request_client_and_server)->Arg(1)->Arg(32);

} // namespace

BENCHMARK_MAIN();
