#include "api/admission.h"

#include <algorithm>

namespace holdfast::api {
namespace {

constexpr std::array all_urgencies{Urgency::Payment, Urgency::Checkout, Urgency::Browse};

Error overloaded() {
    return {.kind = ErrorClass::Overload,
            .code = "overloaded",
            .message = "Too many requests of this kind are under way; nothing was done.",
            .retryable = true};
}

std::size_t index(Urgency urgency) { return static_cast<std::size_t>(urgency); }

} // namespace

std::string_view to_string(Urgency urgency) {
    switch (urgency) {
        case Urgency::Payment: return "payment";
        case Urgency::Checkout: return "checkout";
        case Urgency::Browse: return "browse";
    }
    return {};
}

Admission::Admission(const AdmissionOptions& options, Registry& registry)
    : delay_target_(options.delay_target),
      most_{options.payments_max, options.checkouts_max, options.browse_max},
      least_{options.payments_max, std::min(options.checkouts_min, options.checkouts_max),
             std::min(options.browse_min, options.browse_max)},
      limits_(most_),
      now_(std::make_shared<Now>()) {
    auto show_delay = [&](std::string of, Duration Delays::* which) {
        registry.observe_gauge("holdfast_admission_delay_seconds",
                               "Delay of this process that was measured last, which limits go by.",
                               [now = now_, which] {
                                   return std::chrono::duration<double>(now->delays.*which).count();
                               },
                               {{"of", std::move(of)}});
    };
    show_delay("loop", &Delays::loop);
    show_delay("processor", &Delays::processor);
    for (Urgency urgency : all_urgencies) {
        const std::string name(to_string(urgency));
        refused_[index(urgency)] = &registry.counter("holdfast_requests_refused_total",
                                                     "Requests refused before anything was done.",
                                                     {{"urgency", name}, {"reason", "overloaded"}});
        limit_gauges_[index(urgency)] =
            &registry.gauge("holdfast_admission_limit",
                            "Requests that may be under way, by urgency.", {{"urgency", name}});
        limit_gauges_[index(urgency)]->set(limit(urgency));
        registry.observe_gauge(
            "holdfast_admission_running", "Requests under way, by urgency.",
            [now = now_, urgency] { return static_cast<double>(now->running[index(urgency)]); },
            {{"urgency", name}});
    }
}

Result<Admission::Permit> Admission::enter(Urgency urgency) {
    if (running(urgency) >= limit(urgency)) {
        refused_[index(urgency)]->add();
        return fail(overloaded());
    }
    return Permit(now_, urgency);
}

/// False: it can't be smaller.
bool Admission::shrink(Urgency urgency) {
    int& limit = limits_[index(urgency)];
    const int before = limit;
    limit = std::max(least_[index(urgency)], limit * 7 / 10);
    return limit < before;
}

bool Admission::grow(Urgency urgency) {
    int& limit = limits_[index(urgency)];
    const int before = limit;
    limit = std::min(most_[index(urgency)], limit + std::max(1, most_[index(urgency)] / 20));
    return limit > before;
}

void Admission::observe(const Delays& delays) {
    now_->delays = delays;
    const bool late = std::max(delays.loop, delays.processor) > delay_target_;
    const bool browse_shrank = late && shrink(Urgency::Browse);
    if (delays.loop > delay_target_ && !browse_shrank) shrink(Urgency::Checkout);
    const bool checkout_grew = delays.loop <= delay_target_ && grow(Urgency::Checkout);
    if (!late && !checkout_grew) grow(Urgency::Browse);
    for (Urgency urgency : all_urgencies) limit_gauges_[index(urgency)]->set(limit(urgency));
}

} // namespace holdfast::api
