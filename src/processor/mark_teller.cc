#include "processor/mark_teller.h"

#include "base/log.h"
#include "processor/recent_rows.h"

#include <algorithm>
#include <utility>

namespace holdfast::processor {

using Payments = std::unordered_set<core::RowKey, RowKeyHash>;
using Hearing = MarkBook::Hearing;

/// What one peer has been told, and not yet.
struct MarkTeller::Line {
    Line(net::Loop& loop, Peer to) : peer(std::move(to)), work(loop, net::Event::Reset::Auto) {}

    Peer peer;
    Payments waiting;
    Payments under_way; ///< in the message that it is being sent
    std::uint64_t number = 0;
    bool whole = true;    ///< it is to be told everything
    bool reached = false; ///< it has heard the last message
    Gauge* shown = nullptr;
    net::Event work;
};

MarkTeller::MarkTeller(net::Loop& loop, Env& env, MarkCipher& cipher, std::string process,
                       std::vector<Peer> peers, Registry* metrics)
    : loop_(loop),
      cipher_(cipher),
      process_(std::move(process)),
      life_(Uuid::time_ordered(env)),
      said_(std::make_shared<net::Event>(loop, net::Event::Reset::Manual)),
      own_metrics_(metrics == nullptr ? std::make_unique<Registry>() : nullptr),
      gate_(loop, "marks") {
    Registry& registry = metrics == nullptr ? *own_metrics_ : *metrics;
    untold_ = &registry.counter("holdfast_stand_in_untold_total",
                                "Answers given before every peer that can be reached knew of the "
                                "payment.");
    passed_on_ = &registry.counter("holdfast_stand_in_passed_on_total",
                                   "Requests that the process that holds the payment has carried "
                                   "out for this one.");
    for (Peer& peer : peers) {
        const std::string name = peer.name;
        lines_.push_back(std::make_unique<Line>(loop, std::move(peer)));
        lines_.back()->shown = &registry.gauge(
            "holdfast_peer_reached", "1 when the process has heard what this one said last.",
            {{"peer", name}});
    }
}

MarkTeller::~MarkTeller() = default;

Result<void> MarkTeller::start(const MarkHolder& holder) {
    holder_ = &holder;
    for (auto& line : lines_) {
        tell_everything(*line);
        TRY_VOID(gate_.spawn(tell(*line)));
    }
    return {};
}

net::Task<void> MarkTeller::stop(net::Deadline deadline) {
    gate_.cancel();
    co_return co_await gate_.close(deadline);
}

void MarkTeller::changed(const core::RowKey& payment) {
    for (auto& line : lines_) {
        line->waiting.insert(payment);
        line->work.set();
    }
}

bool MarkTeller::waits_for(const core::RowKey& payment) const {
    return std::ranges::any_of(lines_, [&](const auto& line) {
        return line->reached &&
               (line->waiting.contains(payment) || line->under_way.contains(payment));
    });
}

net::Task<void> MarkTeller::told(core::RowKey payment, Duration patience) {
    const net::Deadline deadline = net::Deadline::after(patience);
    while (waits_for(payment)) {
        const auto said = said_;
        CO_TRY(bool more, co_await said->wait(deadline));
        if (more) continue;
        untold_->add();
        break;
    }
    co_return Result<void>{};
}

net::Task<Outcome> MarkTeller::pass_on(core::Command command, net::Deadline deadline) {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
        if (!lines_[i]->reached || !lines_[i]->peer.carry_out) continue;
        auto outcome = co_await lines_[i]->peer.carry_out(command, deadline);
        if (outcome) passed_on_->add();
        const bool asked_another = !outcome && (outcome.error().code == "not_held_here" ||
                                                outcome.error().code == "peer_unreached");
        if (!asked_another) co_return outcome;
    }
    co_return fail({.kind = ErrorClass::Unavailable,
                    .code = "peer_unreached",
                    .message = "The process that holds this payment can't be reached.",
                    .retryable = true});
}

void MarkTeller::tell_everything(Line& line) {
    line.whole = true;
    line.waiting.clear();
    for (const core::RowKey& payment : holder_->held()) line.waiting.insert(payment);
}

/// As many marks as fit; they are under way then.
MarkMessage MarkTeller::compose(Line& line) const {
    MarkMessage message{.process = process_,
                        .life = life_,
                        .number = ++line.number,
                        .whole = line.whole,
                        .marks = {}};
    std::size_t bytes = message_head_bytes;
    while (!line.waiting.empty()) {
        const core::RowKey payment = *line.waiting.begin();
        Mark mark = holder_->mark_of(payment);
        bytes += bytes_of(mark);
        if (bytes > mark_bytes_max && !message.marks.empty()) break;
        line.waiting.erase(payment);
        if (bytes > mark_bytes_max) { // alone it does not fit
            log::error("mark_too_large", {{"payment", payment.id}});
            bytes = message_head_bytes;
            continue;
        }
        line.under_way.insert(payment);
        message.marks.push_back(std::move(mark));
    }
    return message;
}

/// One message, and what became of it.
net::Task<MarkBook::Hearing> MarkTeller::say(Line& line) {
    CO_TRY(std::string sealed, cipher_.seal(compose(line)));
    auto heard = co_await line.peer.post(std::move(sealed), net::Deadline::after(post_timeout));
    if (heard || heard.error().code != "cancelled") {
        line.under_way.clear();
        note(line, heard);
    }
    co_return heard;
}

void MarkTeller::note(Line& line, const Result<Hearing>& heard) {
    const bool reached = heard && *heard == Hearing::Taken;
    if (reached)
        line.whole = false;
    else // whether it has heard this one is not known: it is told all of it again
        tell_everything(line);
    if (reached != line.reached)
        log::info(reached ? "peer_reached" : "peer_not_reached",
                  {{"peer", line.peer.name},
                   {"error", heard ? std::string() : to_string(heard.error())}});
    line.reached = reached;
    line.shown->set(reached ? 1 : 0);
    std::exchange(said_, std::make_shared<net::Event>(loop_, net::Event::Reset::Manual))->set();
}

net::Task<void> MarkTeller::tell(Line& line) {
    while (true) {
        const bool knew_us = !line.whole;
        auto heard = co_await say(line);
        if (!heard && heard.error().code == "cancelled") co_return Result<void>{};
        if (heard && *heard == Hearing::SendWhole && knew_us) continue; // it has started anew
        if (!line.reached) {
            if (auto slept = co_await net::sleep_for(heartbeat); !slept) co_return Result<void>{};
        }
        while (line.reached && line.waiting.empty()) {
            auto woken = co_await line.work.wait(net::Deadline::after(heartbeat));
            if (!woken) co_return Result<void>{};
            if (holder_->holds_any()) break;
        }
    }
}

} // namespace holdfast::processor
