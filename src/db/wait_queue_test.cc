// Who is served, displaced and dropped.

#include "db/queue_delay.h"

#include <gtest/gtest.h>

namespace holdfast::db {
namespace {

using namespace std::chrono_literals;

TEST(WaitQueue, ServesTheMostUrgentFirstThenTheOldest) {
    WaitQueue queue;
    WaitQueue::Entry job(Priority::Job), report(Priority::Report), first(Priority::Payment),
        second(Priority::Payment);
    for (auto* entry : {&job, &first, &report, &second}) {
        EXPECT_TRUE(queue.admit(*entry, 10).admitted);
    }
    EXPECT_EQ(queue.pop(), &first);
    EXPECT_EQ(queue.pop(), &second);
    EXPECT_EQ(queue.pop(), &report);
    queue.remove(job);
    queue.remove(job);
    EXPECT_EQ(queue.pop(), nullptr);
}

TEST(WaitQueue, WhenFullOnlyTheLessUrgentMakeRoom) {
    WaitQueue queue;
    WaitQueue::Entry old_job(Priority::Job), new_job(Priority::Job), third_job(Priority::Job),
        payment(Priority::Payment), next(Priority::Payment), last(Priority::Payment);
    EXPECT_TRUE(queue.admit(old_job, 2).admitted);
    EXPECT_TRUE(queue.admit(new_job, 2).admitted);
    EXPECT_FALSE(queue.admit(third_job, 2).admitted);
    EXPECT_EQ(queue.admit(payment, 2).displaced, &new_job) << "the newest of the least urgent";
    EXPECT_EQ(queue.admit(next, 2).displaced, &old_job);
    EXPECT_FALSE(queue.admit(last, 2).admitted);
    EXPECT_EQ(queue.size(), 2u);
    while (queue.pop()) {
    }
    EXPECT_FALSE(queue.admit(last, 0).admitted) << "no queue at all";
}

TEST(WaitQueue, WhatIsShedIsServedNewestFirst) {
    WaitQueue queue;
    WaitQueue::Entry pay1(Priority::Payment), pay2(Priority::Payment), old_browse(Priority::Browse),
        new_browse(Priority::Browse), job(Priority::Job);
    for (auto* entry : {&old_browse, &new_browse, &job, &pay1, &pay2})
        EXPECT_TRUE(queue.admit(*entry, 10).admitted);
    queue.serve_newest_first_from(Priority::Browse);
    EXPECT_EQ(queue.pop(), &pay1) << "payments keep their order";
    EXPECT_EQ(queue.pop(), &pay2);
    EXPECT_EQ(queue.pop(), &new_browse);
    queue.serve_newest_first_from(std::nullopt);
    EXPECT_EQ(queue.front(), &old_browse);
    EXPECT_EQ(queue.pop(), &old_browse);
    EXPECT_EQ(queue.pop(), &job);
    EXPECT_EQ(queue.front(), nullptr);
}

TEST(WaitQueue, GivesUpTheLeastUrgentThenTheOldest) {
    const MonoTime start{1h};
    WaitQueue queue;
    WaitQueue::Entry payment(Priority::Payment, start), browse(Priority::Browse, start + 1s),
        job1(Priority::Job, start + 2s), job2(Priority::Job, start + 3s),
        young(Priority::Job, start + 9s);
    for (auto* entry : {&payment, &browse, &job1, &job2, &young})
        EXPECT_TRUE(queue.admit(*entry, 10).admitted);
    EXPECT_EQ(queue.oldest(), start);
    EXPECT_EQ(queue.pop_older(Priority::Report, start + 5s), &job1);
    EXPECT_EQ(queue.pop_older(Priority::Browse, start + 5s), &job2);
    EXPECT_EQ(queue.pop_older(Priority::Report, start + 5s), nullptr);
    EXPECT_EQ(queue.pop_older(Priority::Checkout, start + 5s), &browse);
    EXPECT_EQ(queue.pop_older(Priority::Checkout, start + 5s), nullptr);
    queue.remove(payment);
    EXPECT_EQ(queue.oldest(), start + 9s);
    queue.remove(young);
    EXPECT_EQ(queue.oldest(), std::nullopt);
}

/// Serves somebody every 10 ms while the oldest has waited for `oldest`.
void serve_for(QueueDelay& delay, MonoTime& now, Duration time, Duration oldest) {
    for (const MonoTime end = now + time; now < end; now += 10ms) delay.served(oldest, now);
}

TEST(QueueDelay, ShedsTheLeastUrgentFirstAndNeverPayments) {
    QueueDelay delay({.target = 100ms, .interval = 500ms});
    MonoTime now{1h};
    serve_for(delay, now, 510ms, 99ms);
    EXPECT_EQ(delay.shed_from(), std::nullopt) << "a queue, but a short one";
    for (const Priority expected :
         {Priority::Job, Priority::Report, Priority::Browse, Priority::Checkout}) {
        serve_for(delay, now, 500ms, 200ms);
        EXPECT_EQ(delay.shed_from(), expected);
    }
    serve_for(delay, now, 5s, 10s);
    EXPECT_EQ(delay.shed_from(), Priority::Checkout);
    serve_for(delay, now, 500ms, 50ms);
    EXPECT_EQ(delay.shed_from(), Priority::Browse) << "and takes back one by one";
    serve_for(delay, now, 1500ms, 0ms);
    EXPECT_EQ(delay.shed_from(), std::nullopt);
}

TEST(QueueDelay, ABurstThatDrainsIsNoOverload) {
    QueueDelay delay({.target = 100ms, .interval = 500ms});
    MonoTime now{1h};
    for (int burst = 0; burst < 20; ++burst) {
        serve_for(delay, now, 400ms, 2s);
        serve_for(delay, now, 10ms, 20ms); // once short in each interval
        serve_for(delay, now, 50ms, 2s);
        EXPECT_EQ(delay.shed_from(), std::nullopt);
    }
}

TEST(QueueDelay, AnOutageIsNoOverload) {
    QueueDelay delay({.target = 100ms, .interval = 500ms});
    MonoTime now{1h};
    serve_for(delay, now, 510ms, 200ms);
    ASSERT_EQ(delay.shed_from(), Priority::Job);
    now += 30s; // nobody is served
    delay.served(30s, now);
    EXPECT_EQ(delay.shed_from(), std::nullopt) << "all waited in vain, through no fault of theirs";
    now += 400ms;
    delay.served(30s, now);
    EXPECT_EQ(delay.shed_from(), std::nullopt);
}

} // namespace
} // namespace holdfast::db
