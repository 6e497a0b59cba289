#include "processor/remedy.h"

#include <gtest/gtest.h>

namespace holdfast::processor {
namespace {

Error error(ErrorClass kind, std::string sqlstate = {}, bool retryable = false) {
    return {.kind = kind, .code = "x", .retryable = retryable, .sqlstate = std::move(sqlstate)};
}

TEST(RemedyFor, SaysWhatToDo) {
    EXPECT_EQ(remedy_for(error(ErrorClass::Unknown)), Remedy::Resolve);
    EXPECT_EQ(remedy_for(error(ErrorClass::Unknown, "57P01", true)), Remedy::Resolve);
    EXPECT_EQ(remedy_for(error(ErrorClass::Conflict, "40001")), Remedy::Again);
    EXPECT_EQ(remedy_for(error(ErrorClass::Conflict, "40P01")), Remedy::Again);
    EXPECT_EQ(remedy_for(error(ErrorClass::Deadline, "55P03")), Remedy::Again);
    EXPECT_EQ(remedy_for(error(ErrorClass::Unavailable)), Remedy::Reconnect);
    EXPECT_EQ(remedy_for(error(ErrorClass::Deadline)), Remedy::Reconnect);
    EXPECT_EQ(remedy_for(error(ErrorClass::Overload)), Remedy::Reconnect);
    EXPECT_EQ(remedy_for(error(ErrorClass::Io)), Remedy::Reconnect);
    EXPECT_EQ(remedy_for(error(ErrorClass::Invalid, "22021")), Remedy::Blame);
    EXPECT_EQ(remedy_for(error(ErrorClass::Conflict, "23505")), Remedy::Blame);
    EXPECT_EQ(remedy_for(error(ErrorClass::Io, "58P01")), Remedy::Reconnect);
    // One page is no outage.
    EXPECT_EQ(remedy_for(error(ErrorClass::Io, "XX001")), Remedy::Blame);
    EXPECT_EQ(remedy_for(error(ErrorClass::Io, "XX002")), Remedy::Blame);
    EXPECT_EQ(remedy_for(error(ErrorClass::Io, "58030")), Remedy::Blame);
    EXPECT_EQ(remedy_for(error(ErrorClass::Bug)), Remedy::Blame);
    EXPECT_EQ(remedy_for(error(ErrorClass::Bug, "XX000", true)), Remedy::Again);
}

TEST(BackoffTest, DoublesUpToItsCapWithJitter) {
    SimEnv env(1);
    Backoff backoff(env, std::chrono::milliseconds{10}, std::chrono::milliseconds{35});
    for (int full_ms : {10, 20, 35, 35}) {
        Duration full = std::chrono::milliseconds{full_ms};
        Duration next = backoff.next();
        EXPECT_GE(next, full / 2);
        EXPECT_LE(next, full);
    }
}

} // namespace
} // namespace holdfast::processor
