#pragma once

// Shopper: makes one purchase in the manner it was given (purchase.h): creates a payment intent and
// confirms it, each under a fresh idempotency key, and writes down what it was told.
//
//   told    2xx succeeded; 2xx processing or requires_capture (accepted in stand-in); 402 for a
//           card that declines; everything else is a failure, a 402 for a card that pays as well
//
// A client that sent two confirmations believes the one that says paid; where neither says anything
// final it looks the payment up. Whoever goes away is told nothing and judged only by the books.
//
// buy() awaits all it started, so a Shopper outlives its purchases by nobody's care. Thread: the
// loop's. Limits: those of the SDK; `patience` of the impatient manners.

#include "drill/purchase.h"
#include "drill/stripe_sdk.h"
#include "net/gate.h"

#include <optional>

namespace holdfast::drill {

class Shopper {
  public:
    static constexpr Duration second_after = std::chrono::milliseconds{200};
    static constexpr Duration gone_after_max = std::chrono::milliseconds{100};
    static constexpr Duration poll_after = std::chrono::seconds{1};
    static constexpr Duration poll_pause = std::chrono::milliseconds{500};
    static constexpr int polls_max = 4;

    /// All of them outlive it. `gate` runs the second of two requests.
    Shopper(net::Loop& loop, Env& env, Way& way, net::Gate& gate, SdkPolicy policy = {})
        : loop_(loop), env_(env), way_(way), gate_(gate), policy_(policy) {}

    /// `server`: the lane (see Way) of the merchant's server, which creates the payment; the
    /// payer's browser confirms it over the next one. Never fails but when it is cancelled.
    net::Task<void> buy(Purchase& purchase, int server);

  private:
    using Answer = Result<net::HttpResponse>;
    struct Other;

    net::Task<bool> create(Purchase& purchase, int lane);
    Call confirmation(const Purchase& purchase) const;
    net::Task<net::HttpResponse> request(Call call, int lane) {
        return sdk_request(way_, env_, std::move(call), lane, policy_);
    }
    net::Task<void> send_other(Call call, int lane, std::shared_ptr<Other> other);
    net::Task<void> confirm_twice(Purchase& purchase, Call first, Call second, Duration after,
                                  int lane);
    net::Task<void> abandon(Purchase& purchase, int lane);
    net::Task<void> poll_then_retry(Purchase& purchase, int lane);
    net::Task<void> look_up(Purchase& purchase, int lane);
    std::string new_key() const;

    net::Loop& loop_;
    Env& env_;
    Way& way_;
    net::Gate& gate_;
    SdkPolicy policy_;
};

/// What an answer to a confirmation tells the client.
struct Verdict {
    Told told = Told::Failed;
    std::string trouble;
    bool turned_away = false;
};
/// A 503 that tells an SDK to come again, and when.
bool turned_away(const net::HttpResponse& answer);
Verdict told_by(const Result<net::HttpResponse>& answer, bool card_declines);

} // namespace holdfast::drill
