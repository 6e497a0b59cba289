#include "app/readiness.h"

#include "base/json_writer.h"
#include "base/log.h"
#include "net/timer.h"

namespace holdfast::app {
namespace {

net::HttpResponse json_response(int status, std::string body) {
    net::HttpResponse response;
    response.status = status;
    response.headers.add("Content-Type", "application/json");
    response.headers.add("Cache-Control", "no-store");
    response.body = std::move(body);
    return response;
}

} // namespace

Readiness::Readiness(net::Loop& loop, store::Store& store)
    : store_(store), gate_(loop, "readiness") {}

void Readiness::start() {
    if (auto spawned = gate_.spawn(probe()); !spawned) BUG("readiness probe could not start");
}

net::Task<void> Readiness::stop(net::Deadline deadline) {
    begin_drain();
    gate_.cancel();
    return gate_.close(deadline);
}

net::Task<void> Readiness::probe() {
    while (true) {
        auto answer = co_await store_.ping(net::Deadline::after(probe_timeout));
        if (!answer && answer.error().code == "cancelled") co_return Result<void>{};
        if (answer.has_value() != reachable_) {
            reachable_ = answer.has_value();
            if (reachable_)
                log::info("ready");
            else
                log::warn("not_ready", {{"reason", to_string(answer.error())}});
        }
        if (!answer) reason_ = answer.error().code;
        auto slept = co_await net::sleep_for(probe_interval);
        if (!slept) co_return Result<void>{}; // cancelled: stop()
    }
}

net::HttpResponse Readiness::readyz() const {
    JsonWriter w(128);
    w.begin_object();
    w.field("ready", ready());
    if (!ready()) w.field("reason", draining_ ? std::string_view("draining") : reason_);
    w.end_object();
    return json_response(ready() ? 200 : 503, std::move(w).take());
}

net::HttpResponse Readiness::livez() { return json_response(200, R"({"alive":true})"); }

} // namespace holdfast::app
