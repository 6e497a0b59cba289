#include "net/block_on.h"
#include "net/timer.h"

#include <gtest/gtest.h>
#include <boost/asio/post.hpp>

namespace holdfast::net {
namespace {

Task<int> answer_behind(Loop& loop, Event& event) {
    // A signal arrives meanwhile, and its handler ends the turn of the loop.
    asio::post(loop, [&loop] { loop.stop(); });
    asio::post(loop, [&loop, &event] { asio::post(loop, [&event] { event.set(); }); });
    CO_TRY(const bool set, co_await event.wait(Deadline::after(std::chrono::seconds{20})));
    co_return set ? 7 : 0;
}

TEST(BlockOn, GoesOnWhenSomebodyStopsTheLoop) {
    Loop loop{1};
    Event event(loop, Event::Reset::Manual);
    loop.stop(); // as a turn that ended early leaves it
    const Result<int> answer = block_on(loop, answer_behind(loop, event));
    ASSERT_TRUE(answer) << to_string(answer.error());
    EXPECT_EQ(*answer, 7);
}

} // namespace
} // namespace holdfast::net
