#pragma once

// FakeWay: a Way that answers by itself, for tests on simulated time. Answers are given in the
// order of the calls, or by `respond` where a test wants to look at the call.

#include "drill/stripe_sdk.h"
#include "net/timer.h"

#include <deque>
#include <functional>
#include <vector>

namespace holdfast::drill {

struct FakeAnswer {
    int status = 200; ///< 0: the connection is closed without an answer
    std::string body;
    Duration after{};
};

class FakeWay final : public Way {
  public:
    net::Task<net::HttpResponse> send(Call call, int lane, net::Deadline deadline) override {
        calls.push_back(call);
        call_lanes.push_back(lane);
        FakeAnswer answer;
        if (respond) {
            answer = respond(call);
        } else if (!answers.empty()) {
            answer = answers.front();
            answers.pop_front();
        }
        const MonoTime at = MonotonicClock::now() + answer.after;
        CO_TRY_VOID(co_await net::sleep_until(std::min(at, deadline.when())));
        if (at > deadline.when())
            co_return fail(ErrorClass::Unknown, "http_answer_late", "too late");
        if (answer.status == 0) co_return fail(ErrorClass::Unknown, "http_answer_lost", "closed");
        net::HttpResponse response;
        response.status = answer.status;
        response.body = answer.body;
        co_return response;
    }

    std::deque<FakeAnswer> answers;
    std::function<FakeAnswer(const Call&)> respond;
    std::vector<Call> calls;
    std::vector<int> call_lanes;
};

} // namespace holdfast::drill
