#include "gateway/faults.h"

namespace holdfast::gateway {

void FaultInjector::set(FaultPlan plan) {
    plan_ = plan;
    random_.seed(plan_.seed);
    hits_ = {};
}

bool FaultInjector::hit(FaultKind kind, CallKind call) {
    FaultMode& mode = plan_[kind];
    if (mode.probability_ppm <= 0 || !mode.calls[static_cast<std::size_t>(call)]) return false;
    if (mode.count == 0u) return false;
    if (random_() % certain_ppm >= static_cast<std::uint64_t>(mode.probability_ppm)) return false;
    if (mode.count) --*mode.count;
    ++hits_[static_cast<std::size_t>(kind)];
    return true;
}

Duration FaultInjector::delay_of(FaultKind kind) {
    const FaultMode& mode = plan_[kind];
    if (mode.delay_max <= mode.delay_min) return mode.delay_min;
    const auto span = static_cast<std::uint64_t>((mode.delay_max - mode.delay_min).count()) + 1;
    return mode.delay_min + Duration{static_cast<std::int64_t>(random_() % span)};
}

Fate FaultInjector::next(CallKind call) {
    Fate fate;
    if (hit(FaultKind::Delay, call)) fate.delay = delay_of(FaultKind::Delay);
    for (auto kind : {FaultKind::LoseAnswer, FaultKind::AnswerTwice, FaultKind::BookLate,
                      FaultKind::Disconnect, FaultKind::ServerError}) {
        if (!hit(kind, call)) continue;
        fate.fault = kind;
        if (kind == FaultKind::ServerError) fate.decided = random_() % 2 == 0;
        if (kind == FaultKind::BookLate) fate.late = delay_of(kind);
        break;
    }
    return fate;
}

} // namespace holdfast::gateway
