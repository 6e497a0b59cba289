#include "gateway/sim_acquirer.h"

#include "net/timer.h"

namespace holdfast::gateway {

namespace {

std::unexpected<Error> unavailable() {
    return fail({.kind = ErrorClass::Unavailable,
                 .code = "acquirer_unavailable",
                 .message = "The acquirer can't be reached; nothing was sent.",
                 .retryable = true});
}

std::unexpected<Error> answer_lost(std::string code = "acquirer_answer_lost") {
    return fail(ErrorClass::Unknown, std::move(code), "The acquirer's answer did not arrive.");
}

} // namespace

SimAcquirer::SimAcquirer(net::SimLoop& world, Env& env, SimAcquirerOptions options)
    : env_(env),
      options_(options),
      faults_(options_.faults),
      process_(world),
      gate_(process_, "sim_acquirer") {}

Duration SimAcquirer::latency() {
    const auto span = static_cast<std::uint64_t>(options_.latency_max.count()) + 1;
    return Duration{static_cast<std::int64_t>(env_.random_below(span))};
}

bool SimAcquirer::refused() {
    if (!reachable_) return true;
    if (options_.unreachable_ppm == 0) return false;
    return env_.random_below(certain_ppm) < static_cast<std::uint64_t>(options_.unreachable_ppm);
}

Result<AcquirerAnswer> SimAcquirer::decide(const Message& message) {
    switch (message.call) {
        case CallKind::Execute: return books_.execute(message.operation, env_.wall());
        case CallKind::Inquire: return books_.inquire(message.operation.id);
        case CallKind::Reverse: break;
    }
    return books_.reverse(message.operation.id, env_.wall());
}

Task<void> SimAcquirer::deliver(MessagePtr message) {
    CO_TRY_VOID(co_await net::sleep_until(message->arrives));
    co_await net::sim_yield();
    message->answer = decide(*message);
    co_return Result<void>{};
}

Task<AcquirerAnswer> SimAcquirer::ask(CallKind call, core::Operation operation, Deadline deadline) {
    if (refused()) co_return unavailable();
    const Fate fate = faults_.next(call);
    const MonoTime sent = env_.now();
    auto message = std::make_shared<Message>(Message{
        .call = call, .operation = std::move(operation), .arrives = sent + latency() + fate.delay});
    if (fate.is(FaultKind::BookLate)) message->arrives += fate.late;
    const bool delivered =
        !fate.is(FaultKind::Disconnect) && !(fate.is(FaultKind::ServerError) && !fate.decided);
    if (delivered) {
        if (!gate_.spawn(deliver(message))) co_return unavailable();
        if (fate.is(FaultKind::AnswerTwice)) {
            auto copy = std::make_shared<Message>(*message);
            copy->arrives += latency();
            (void)gate_.spawn(deliver(copy)); // refused only when all is over
        }
    }
    // The caller only looks at the time: nothing of the acquirer refers to it, so it may be killed.
    const bool cut_off = fate.is(FaultKind::Disconnect) || fate.is(FaultKind::BookLate);
    MonoTime heard = (cut_off ? sent : message->arrives) + latency() + Duration{1};
    if (fate.is(FaultKind::LoseAnswer)) heard = deadline.when();
    const MonoTime wake = std::min(heard, deadline.when());
    if (auto slept = co_await net::sleep_until(wake); !slept) {
        co_return answer_lost(slept.error().code);
    }
    const bool answered = !fate.fault || fate.is(FaultKind::AnswerTwice);
    if (heard > wake || !answered || !message->answer) co_return answer_lost();
    co_return std::move(*message->answer);
}

Task<AcquirerAnswer> SimAcquirer::execute(core::Operation operation, Deadline deadline) {
    return ask(CallKind::Execute, std::move(operation), deadline);
}

Task<AcquirerAnswer> SimAcquirer::inquire(Id<core::Operation> reference, Deadline deadline) {
    core::Operation operation;
    operation.id = reference;
    return ask(CallKind::Inquire, std::move(operation), deadline);
}

Task<AcquirerAnswer> SimAcquirer::reverse(Id<core::Operation> reference, Deadline deadline) {
    core::Operation operation;
    operation.id = reference;
    return ask(CallKind::Reverse, std::move(operation), deadline);
}

Task<Vaulted> SimAcquirer::tokenize(Id<core::Account> account, CardData card, Deadline) {
    if (refused()) co_return unavailable();
    Uuid random;
    env_.fill_random(std::as_writable_bytes(std::span(random.bytes)));
    co_return books_.tokenize(account, card, fingerprint_key_, random, env_.wall());
}

Task<Vaulted> SimAcquirer::look_up(std::string vault_token, Deadline) {
    if (refused()) co_return unavailable();
    co_return books_.look_up(vault_token);
}

Task<std::vector<BookLine>> SimAcquirer::list_since(std::string position, int limit, Deadline) {
    if (refused()) co_return unavailable();
    co_return books_.lines(
        {.after = std::move(position), .limit = static_cast<std::size_t>(std::max(0, limit))});
}

} // namespace holdfast::gateway
