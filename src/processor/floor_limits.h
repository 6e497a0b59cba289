#pragma once

// FloorLimits: what this process may accept while neither the database nor the acquirer can be
// asked: payments without the issuer's word, which the merchant has chosen to risk up to limits of
// its own (core::FloorLimit), the standard remedy of card acceptance offline.
//
// A process may use its share of each limit, but of that of one payment, which is the same for all.
// Shares are leased from the database while it is there (store.h) and never sum to more than all:
// so the limits hold whoever is cut off from whom. A share that was not renewed in time is none;
// the database gives it to others much later, since what was accepted under it may still be open,
// and the clocks of machines differ. It is kept in the command log, durable before it is used, and
// lowered there before the database is asked for less: so a restart needs no database.
//
//   limits.lower_to(wanted);                       // and in the log, before asking for it
//   limits.hold({ppm, asked_at + use});            // what the database has given, once it is kept
//   TRY(Exposure open, limits.accept(account, operation, now));
//
// An Exposure counts until it is let go of: the outcome is known, or the database has the payment.
// note() counts what is open already, whatever the limits: an answer that was lost, and what an
// earlier process has left in the log.
//
// Limits: unauthorized_max open payments, of all accounts together. Errors of accept(): Unavailable
// "floor_limit". Plain data structure on the loop of the instance; outlives its Exposures.

#include "core/operation.h"
#include "core/parties.h"
#include "store/store.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace holdfast::processor {

class FloorLimits {
  public:
    struct Share {
        std::int32_t ppm = 0;
        MonoTime until{};
    };

    using OfAccount = std::pair<Id<core::Account>, core::Currency>;
    using OfCard = std::pair<OfAccount, std::string>;

    /// One open payment; counts as long as it lives.
    class Exposure {
      public:
        Exposure() = default;
        Exposure(Exposure&& other) noexcept { *this = std::move(other); }
        Exposure& operator=(Exposure&& other) noexcept {
            std::swap(limits_, other.limits_);
            std::swap(card_, other.card_);
            std::swap(minor_, other.minor_);
            return *this;
        }
        ~Exposure() {
            if (limits_ != nullptr) limits_->count(card_, -minor_);
        }

      private:
        friend class FloorLimits;
        Exposure(FloorLimits& limits, OfCard card, std::int64_t minor)
            : limits_(&limits), card_(std::move(card)), minor_(minor) {
            limits.count(card_, minor_);
        }
        FloorLimits* limits_ = nullptr;
        OfCard card_;
        std::int64_t minor_ = 0;
    };

    explicit FloorLimits(std::ptrdiff_t unauthorized_max) : unauthorized_max_(unauthorized_max) {}

    void lower_to(std::int32_t ppm) { share_.ppm = std::min(share_.ppm, ppm); }
    void hold(Share share) { share_ = share; }
    /// 0 once it has run out.
    std::int32_t share_ppm(MonoTime now) const { return now < share_.until ? share_.ppm : 0; }

    Result<Exposure> accept(const core::Account& account, const core::Operation& operation,
                            MonoTime now);
    Exposure note(const core::Operation& operation) {
        return {*this, card_of(operation), operation.amount.minor};
    }
    std::size_t open() const { return static_cast<std::size_t>(open_); }

  private:
    static OfCard card_of(const core::Operation& operation);
    void count(const OfCard& card, std::int64_t minor);

    std::ptrdiff_t unauthorized_max_;
    Share share_;
    std::ptrdiff_t open_ = 0;
    std::map<OfAccount, std::int64_t> accounts_; ///< minor units that are open
    std::map<OfCard, std::int64_t> cards_;
};

} // namespace holdfast::processor
