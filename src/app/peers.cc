#include "app/peers.h"

#include "base/log.h"

#include <fmt/format.h>

#include <utility>

namespace holdfast::app {

using processor::MarkBook;
using Hearing = MarkBook::Hearing;

namespace {

constexpr int heard = 204, begin_anew = 409, refused = 403;

} // namespace

Peers::Peers(net::Loop& loop, Env& env, Offload& offload, const SecretString& id_secret,
             const std::string& name, std::vector<PeerAddress> addresses, Registry& registry)
    : client_(loop, {.connections_per_host = 1,
                     .connect_timeout = processor::MarkTeller::post_timeout,
                     .offload = &offload}),
      cipher_(env, id_secret),
      book_(loop, env),
      teller_(loop, env, cipher_, name, posts_to(std::move(addresses)), &registry),
      marks_(registry.gauge("holdfast_stand_in_marks", "Payments that other processes hold.")) {}

std::vector<processor::Peer> Peers::posts_to(std::vector<PeerAddress> addresses) {
    std::vector<processor::Peer> peers;
    for (PeerAddress& address : addresses) {
        const std::string name = address.name;
        peers.push_back(
            {.name = name,
             .post = [this, to = std::move(address)](std::string sealed, net::Deadline deadline) {
                 return post(to, std::move(sealed), deadline);
             }});
    }
    return peers;
}

net::Task<Hearing> Peers::post(PeerAddress to, std::string sealed, net::Deadline deadline) {
    net::HttpClientRequest request{.method = "POST",
                                   .host = to.host,
                                   .port = to.port,
                                   .target = std::string(path),
                                   .body = std::move(sealed)};
    CO_TRY(auto answer, co_await client_.request(std::move(request), deadline));
    if (answer.status == heard) co_return Hearing::Taken;
    if (answer.status == begin_anew) co_return Hearing::SendWhole;
    if (answer.status == refused) co_return Hearing::Refused;
    co_return fail(ErrorClass::Unavailable, "peer_failed",
                   fmt::format("{} answered with status {}", to.name, answer.status));
}

net::HttpResponse Peers::hear(const net::HttpRequest& request) {
    net::HttpResponse response;
    response.status = refused;
    auto message = cipher_.open(request.body);
    if (!message) {
        log::warn("mark_refused", {{"from", request.peer}, {"error", to_string(message.error())}});
        return response;
    }
    switch (book_.hear(*message)) {
        case Hearing::Taken: response.status = heard; break;
        case Hearing::SendWhole: response.status = begin_anew; break;
        case Hearing::Refused: break;
    }
    marks_.set(static_cast<std::int64_t>(book_.size()));
    return response;
}

} // namespace holdfast::app
