#include "processor/intake.h"

#include <algorithm>

namespace holdfast::processor {

namespace {

bool finishes_an_operation(const core::Command& command) {
    return std::holds_alternative<core::RecordOutcome>(command.body) ||
           std::holds_alternative<core::ClaimOperation>(command.body);
}

Error queue_full() {
    return {.kind = ErrorClass::Overload,
            .code = "processor_queue_full",
            .message = "Too many requests are waiting; try again in a moment.",
            .retryable = true};
}

} // namespace

Intake::Intake(net::Loop& loop, std::size_t queue_max, std::function<void(Track)> on_ready,
               OnOrphan on_orphan, std::function<void()> on_empty)
    : loop_(loop),
      queue_max_(queue_max),
      on_ready_(std::move(on_ready)),
      on_orphan_(std::move(on_orphan)),
      on_empty_(std::move(on_empty)) {}

Intake::~Intake() {
    urgent_.clear();
    for (Ready& list : ready_) list.clear();
    for (auto& [key, line] : lines_) line.clear();
}

Ticket* Intake::fresh() {
    if (free_.empty()) {
        pool_.push_back(std::make_unique<Ticket>(loop_));
        return pool_.back().get();
    }
    Ticket* ticket = free_.back();
    free_.pop_back();
    return ticket;
}

void Intake::recycle(Ticket* ticket) {
    ticket->state = Ticket::State::Free;
    ticket->command = {};
    ticket->needs.rows.clear();
    ticket->answer.reset();
    ticket->answered.reset();
    free_.push_back(ticket);
}

Result<Ticket*> Intake::push(core::Command command, core::Needs needs, Deadline deadline) {
    bool urgent = finishes_an_operation(command);
    if (!urgent && size_ >= queue_max_) return fail(queue_full());
    Ticket* ticket = fresh();
    ticket->command = std::move(command);
    ticket->needs = std::move(needs);
    ticket->deadline = deadline;
    ticket->submitted = MonotonicClock::now();
    ticket->state = Ticket::State::Waiting;
    ticket->track = Track::Normal;
    ticket->urgent = urgent;
    ticket->released = false;
    ticket->batch = 0;
    ++size_;
    ++waiting_;
    enter_lines(*ticket);
    if (is_suspect(*ticket)) ticket->track = Track::Suspect;
    if (first_everywhere(*ticket)) make_ready(*ticket);
    return ticket;
}

void Intake::suspect(const Ticket& ticket) {
    const MonoTime now = MonotonicClock::now();
    if (suspects_.size() >= suspects_max)
        std::erase_if(suspects_, [now](const auto& suspect) { return suspect.second <= now; });
    for (const Place& place : ticket.places)
        if (suspects_.size() < suspects_max) suspects_[place.key] = now + suspect_for;
}

bool Intake::is_suspect(const Ticket& ticket) {
    if (suspects_.empty()) return false;
    const MonoTime now = MonotonicClock::now();
    return std::ranges::any_of(ticket.places, [&](const Place& place) {
        auto found = suspects_.find(place.key);
        if (found == suspects_.end()) return false;
        if (found->second > now) return true;
        suspects_.erase(found);
        return false;
    });
}

void Intake::enter_lines(Ticket& ticket) {
    std::vector<Place>& places = ticket.places; // its capacity survives recycling
    places.clear();
    places.reserve(ticket.needs.rows.size() + 1);
    for (const core::RowRef& row : ticket.needs.rows) {
        if (row.access == core::Access::Read) continue;
        places.emplace_back().key = {LockKey::Space::Row, row.kind, row.key};
    }
    if (ticket.needs.replay) {
        places.emplace_back().key = {LockKey::Space::Replay, {}, *ticket.needs.replay};
    }
    for (Place& place : places) {
        place.ticket = &ticket;
        Line& line = lines_[place.key];
        // A row that is named twice (locked and claimed) is one place.
        if (!line.empty() && line.back().ticket == &ticket) continue;
        place.line = &line;
        line.push_back(place);
    }
}

void Intake::leave_lines(Ticket& ticket) {
    for (Place& place : ticket.places) {
        if (!place.is_linked()) continue;
        Line& line = *place.line;
        line.erase(line.iterator_to(place));
        if (line.empty()) {
            lines_.erase(place.key);
            continue;
        }
        Ticket& next = *line.front().ticket;
        if (next.state == Ticket::State::Waiting && !next.ready && first_everywhere(next)) {
            make_ready(next);
        }
    }
}

bool Intake::first_everywhere(const Ticket& ticket) {
    return std::ranges::all_of(ticket.places, [](const Place& place) {
        return !place.is_linked() || &place.line->front() == &place;
    });
}

bool Intake::may_follow(const Ticket& ticket, std::uint64_t batch) {
    if (ticket.state != Ticket::State::Waiting || ticket.track == Track::Suspect) return false;
    return std::ranges::all_of(ticket.places, [&](const Place& place) {
        if (!place.is_linked()) return true;
        auto here = place.line->iterator_to(place);
        return here == place.line->begin() || std::prev(here)->ticket->batch == batch;
    });
}

Intake::Ready& Intake::ready_list(const Ticket& ticket) {
    bool first = ticket.urgent && ticket.track == Track::Normal;
    return first ? urgent_ : ready_[static_cast<std::size_t>(ticket.track)];
}

void Intake::make_ready(Ticket& ticket) {
    ticket.ready = true;
    ready_list(ticket).push_back(ticket);
    on_ready_(ticket.track);
}

void Intake::unready(Ticket& ticket) {
    if (!ticket.ready) return;
    ticket.ready = false;
    Ready& list = ready_list(ticket);
    list.erase(list.iterator_to(ticket));
}

bool Intake::ready(Track track) const {
    return !ready_[static_cast<std::size_t>(track)].empty() ||
           (track == Track::Normal && !urgent_.empty());
}

Duration Intake::delay() const {
    MonoTime oldest = MonotonicClock::now();
    for (const Ready* list : {&urgent_, &ready_[static_cast<std::size_t>(Track::Normal)]})
        if (!list->empty()) oldest = std::min(oldest, list->front().submitted);
    return MonotonicClock::now() - oldest;
}

void Intake::add(std::vector<Ticket*>& batch, Ticket& ticket) {
    unready(ticket);
    ticket.state = Ticket::State::Loading;
    ticket.batch = batches_;
    --waiting_;
    batch.push_back(&ticket);
}

void Intake::add_followers(std::vector<Ticket*>& batch, std::size_t max) {
    for (std::size_t i = batch.size() - 1; i < batch.size(); ++i) {
        for (Place& place : batch[i]->places) {
            if (batch.size() >= max) return;
            if (!place.is_linked()) continue;
            auto next = std::next(place.line->iterator_to(place));
            if (next != place.line->end() && may_follow(*next->ticket, batches_)) {
                add(batch, *next->ticket);
            }
        }
    }
}

std::vector<Ticket*> Intake::take(Portion portion,
                                  const std::function<Error(const Ticket&)>& expired) {
    std::vector<Ticket*> batch;
    ++batches_;
    Ready& normal = ready_[static_cast<std::size_t>(portion.track)];
    MonoTime now = MonotonicClock::now();
    for (std::size_t roots = 0; roots < portion.roots && batch.size() < portion.commands;) {
        bool urgent = portion.track == Track::Normal && !urgent_.empty();
        Ready& list = urgent ? urgent_ : normal;
        if (list.empty()) break;
        Ticket& ticket = list.front();
        if (ticket.deadline.when() <= now) {
            answer(&ticket, fail(expired(ticket)));
            continue;
        }
        add(batch, ticket);
        add_followers(batch, portion.commands);
        ++roots;
    }
    return batch;
}

void Intake::publish(Ticket* ticket) {
    CHECK(ticket->answer.has_value());
    if (ticket->state == Ticket::State::Waiting) {
        unready(*ticket);
        --waiting_;
    }
    ticket->state = Ticket::State::Answered;
    leave_lines(*ticket);
    if (--size_ == 0 && on_empty_) on_empty_();
    if (!ticket->released) {
        ticket->answered.set();
        return;
    }
    Result<core::Verdict> unheard = *std::exchange(ticket->answer, std::nullopt);
    recycle(ticket);
    if (unheard && unheard->started && on_orphan_) on_orphan_(std::move(*unheard->started));
}

void Intake::answer(Ticket* ticket, Result<core::Verdict> answer) {
    ticket->answer = std::move(answer);
    publish(ticket);
}

void Intake::put_back(Ticket* ticket, Track track) {
    CHECK(ticket->in_batch());
    if (ticket->released) {
        answer(ticket, fail(ErrorClass::Deadline, "abandoned", "Nobody waits for this command."));
        return;
    }
    ticket->state = Ticket::State::Waiting;
    ticket->track = track;
    ticket->batch = 0;
    ticket->answer.reset();
    ++waiting_;
    if (first_everywhere(*ticket)) make_ready(*ticket);
}

void Intake::release(Ticket* ticket) {
    ticket->released = true;
    if (ticket->state == Ticket::State::Answered) {
        recycle(ticket);
    } else if (ticket->state == Ticket::State::Waiting) {
        answer(ticket, fail(ErrorClass::Deadline, "abandoned", "Nobody waits for this command."));
    }
}

void Intake::refuse_waiting(const Error& error) {
    for (auto& ticket : pool_) {
        if (ticket->state == Ticket::State::Waiting) answer(ticket.get(), fail(error));
    }
}

} // namespace holdfast::processor
