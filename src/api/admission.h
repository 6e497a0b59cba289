#pragma once

// Admission: how many requests of each urgency may be under way, and who is turned away first when
// they queue.
//
//   payment    takes money or gives it back
//   checkout   what a payer's way to it needs
//   browse     everything else: lists, objects, reports
//
//   CO_TRY(auto permit, admission.enter(route.urgency));      // until it goes out of scope
//
// Each urgency has a limit of its own, so none can crowd out another. That of payments is fixed.
// Those of browse and checkout follow the delays that are measured in this process, ten times a
// second. When the event loop is later than `delay_target`, or commands wait longer for a batch,
// the limit of browse loses 30 %, down to its minimum; then, if it is the loop that is late, that
// of checkout. In good times each grows by a twentieth of its maximum, checkout first.
//
// Why only the loop: commands also wait while the database is away, and then what pays or is about
// to pay is held, not refused. A late loop is too much work for this process.
//
// A request that is turned away has cost a look at the route table: Overload "overloaded", before
// its key is looked at and before anything could be stored under its idempotency key.
//
// Minimums keep a trickle alive, so that a process that is slow for another reason still answers.
// That of browse is tiny: a page is a millisecond's work, so thirty at a time are more than a core
// can do.
// On the loop; permits may outlive it. Metrics: holdfast_admission_*, holdfast_requests_refused.
// Sources: Stripe, "Scaling your API with rate limiters"; Netflix, concurrency-limits.

#include "base/metrics.h"
#include "base/result.h"

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

namespace holdfast::api {

enum class Urgency : std::uint8_t { Payment, Checkout, Browse };
inline constexpr std::size_t urgencies = 3;

std::string_view to_string(Urgency urgency);

struct AdmissionOptions {
    int payments_max = 5'000;
    int checkouts_max = 1'000;
    int browse_max = 256;
    int checkouts_min = 64;
    int browse_min = 2;
    Duration delay_target = std::chrono::milliseconds{50};
};

struct Delays {
    Duration loop{};
    Duration processor{};
};

class Admission {
    struct Now {
        std::array<int, urgencies> running{};
        Delays delays;
    };

  public:
    class Permit {
      public:
        Permit(std::shared_ptr<Now> now, Urgency urgency)
            : now_(std::move(now)), urgency_(urgency) {
            ++now_->running[static_cast<std::size_t>(urgency_)];
        }
        Permit(Permit&&) noexcept = default;
        Permit& operator=(Permit&&) = delete;
        ~Permit() {
            if (now_) --now_->running[static_cast<std::size_t>(urgency_)];
        }

      private:
        std::shared_ptr<Now> now_;
        Urgency urgency_;
    };

    Admission(const AdmissionOptions& options, Registry& registry);

    Result<Permit> enter(Urgency urgency);
    /// What was measured since the last time.
    void observe(const Delays& delays);

    int limit(Urgency urgency) const { return limits_[static_cast<std::size_t>(urgency)]; }
    int running(Urgency urgency) const { return now_->running[static_cast<std::size_t>(urgency)]; }

  private:
    bool shrink(Urgency urgency);
    bool grow(Urgency urgency);

    Duration delay_target_;
    std::array<int, urgencies> most_, least_, limits_;
    std::shared_ptr<Now> now_; ///< permits and the Registry look at it, also later
    std::array<Counter*, urgencies> refused_;
    std::array<Gauge*, urgencies> limit_gauges_;
};

} // namespace holdfast::api
