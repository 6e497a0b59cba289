#include "drill/stripe_sdk.h"

#include "net/timer.h"

#include <algorithm>

namespace holdfast::drill {

namespace {
constexpr std::uint64_t ppm = 1'000'000;
} // namespace

bool should_retry(const Result<net::HttpResponse>& answer, int retries, const SdkPolicy& policy) {
    if (!answer && answer.error().code == "cancelled") return false; // the client itself ends
    if (!answer && retries == 0 && answer.error().code == "http_answer_lost") return true;
    if (retries >= policy.retries_max) return false;
    if (!answer) return true;
    const std::string_view asked = answer->headers.get("Stripe-Should-Retry");
    if (asked == "false") return false;
    if (asked == "true") return true;
    return answer->status == 409 || answer->status >= 500;
}

Duration pause_before(int retry, std::uint64_t chance_ppm, const SdkPolicy& policy) {
    Duration pause = policy.pause_min;
    for (int i = 1; i < retry && pause < policy.pause_max; ++i) pause *= 2;
    pause = std::min(pause, policy.pause_max);
    const auto spread = static_cast<Duration::rep>(ppm + chance_ppm); // a half to one
    return std::max(policy.pause_min, pause * spread / static_cast<Duration::rep>(2 * ppm));
}

net::Task<net::HttpResponse> sdk_request(Way& way, Env& env, Call call, int lane,
                                         SdkPolicy policy) {
    for (int retries = 0;; ++retries) {
        auto answer = co_await way.send(call, lane, net::Deadline::after(policy.timeout));
        if (!should_retry(answer, retries, policy)) co_return answer;
        CO_TRY_VOID(
            co_await net::sleep_for(pause_before(retries + 1, env.random_below(ppm), policy)));
    }
}

} // namespace holdfast::drill
