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
    : env_(env),
      client_(loop, {.connections_per_host = 1,
                     .connect_timeout = processor::MarkTeller::post_timeout,
                     .offload = &offload}),
      command_client_(loop, {.connections_per_host = commands_at_once,
                             .connect_timeout = processor::MarkTeller::post_timeout,
                             .offload = &offload}),
      cipher_(env, id_secret),
      pass_cipher_(env, id_secret),
      book_(loop, env),
      teller_(loop, env, cipher_, name, posts_to(std::move(addresses)), &registry),
      marks_(registry.gauge("holdfast_stand_in_marks", "Payments that other processes hold.")) {}

std::vector<processor::Peer> Peers::posts_to(std::vector<PeerAddress> addresses) {
    std::vector<processor::Peer> peers;
    for (PeerAddress& address : addresses) {
        processor::Peer peer{.name = address.name,
                             .post =
                                 [this, to = address](std::string sealed, net::Deadline by) {
                                     return post(to, std::move(sealed), by);
                                 },
                             .carry_out =
                                 [this, to = address](core::Command command, net::Deadline by) {
                                     return pass(to, std::move(command), by);
                                 }};
        peers.push_back(std::move(peer));
    }
    return peers;
}

net::Task<Hearing> Peers::post(PeerAddress to, std::string sealed, net::Deadline deadline) {
    net::HttpClientRequest request{.method = "POST",
                                   .host = to.host,
                                   .port = to.port,
                                   .target = std::string(marks_path),
                                   .body = std::move(sealed)};
    CO_TRY(auto answer, co_await client_.request(std::move(request), deadline));
    if (answer.status == heard) co_return Hearing::Taken;
    if (answer.status == begin_anew) co_return Hearing::SendWhole;
    if (answer.status == refused) co_return Hearing::Refused;
    co_return fail(ErrorClass::Unavailable, "peer_failed",
                   fmt::format("{} answered with status {}", to.name, answer.status));
}

net::Task<processor::Outcome> Peers::pass(PeerAddress to, core::Command command,
                                          net::Deadline deadline) {
    processor::PassedCommand question{.number = Uuid::time_ordered(env_),
                                      .sent = env_.wall(),
                                      .patience = deadline.left(),
                                      .command = std::move(command)};
    CO_TRY(auto sealed, pass_cipher_.seal(question));
    net::HttpClientRequest request{.method = "POST",
                                   .host = to.host,
                                   .port = to.port,
                                   .target = std::string(commands_path),
                                   .body = std::move(sealed)};
    auto answer = co_await command_client_.request(std::move(request), deadline);
    const bool lost = !answer && answer.error().kind == ErrorClass::Unknown;
    if (lost || (answer && answer->status / 100 == 5)) {
        co_return fail({.kind = ErrorClass::Unknown,
                        .code = "peer_answer_lost",
                        .message = fmt::format("The answer of {} did not arrive; a retry under the "
                                               "same key tells.",
                                               to.name),
                        .retryable = true});
    }
    if (!answer || answer->status != 200) {
        co_return fail({.kind = ErrorClass::Unavailable,
                        .code = "peer_unreached",
                        .message = fmt::format("{} has not taken the command.", to.name),
                        .retryable = true});
    }
    co_return pass_cipher_.open_answer(question.number, answer->body);
}

net::Task<net::HttpResponse> Peers::carry_out(net::HttpRequest request,
                                              processor::Processor& processor) {
    net::HttpResponse response;
    response.status = refused;
    auto question = pass_cipher_.open(request.body);
    if (question) {
        if (auto fresh = passed_.take(*question, env_.wall()); !fresh)
            question = fail(std::move(fresh).error());
    }
    if (!question) {
        log::warn("command_refused",
                  {{"from", request.peer}, {"error", to_string(question.error())}});
        co_return response;
    }
    const net::Deadline deadline = request.deadline.capped(question->patience);
    auto outcome = co_await processor.carry_out(std::move(question->command), deadline);
    CO_TRY(response.body, pass_cipher_.seal_answer(question->number, outcome));
    response.status = 200;
    co_return response;
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
