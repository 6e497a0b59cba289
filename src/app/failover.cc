#include "app/failover.h"

#include "base/files.h"
#include "base/json.h"
#include "base/json_writer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <unistd.h>

namespace holdfast::app {

Result<PairState> load_pair_state(const std::string& path) {
    const auto invalid = [&path] {
        return fail(
            ErrorClass::Invalid, "cluster_state_invalid",
            fmt::format("{} does not say which of the two databases is the primary; restore "
                        "it, or, if you know which one took payments last, write it by "
                        "hand: {{\"primary\":\"a\",\"epoch\":1,\"promotable\":false}}",
                        path));
    };
    if (::access(path.c_str(), F_OK) != 0) return invalid();
    TRY(std::string text, read_file(path));
    auto parsed = parse_json(text);
    if (!parsed) return invalid();
    auto primary = json_text(*parsed, "primary");
    auto epoch = json_integer(*parsed, "epoch");
    auto promotable = json_bool(*parsed, "promotable");
    if (!primary || !epoch || !promotable || (*primary != "a" && *primary != "b")) return invalid();
    return PairState{.primary = *primary == "a" ? db::Node::A : db::Node::B,
                     .epoch = *epoch,
                     .promotable = *promotable};
}

Result<void> store_pair_state(const std::string& path, const PairState& state,
                              const std::optional<UserIdentity>& owner) {
    JsonWriter w;
    w.begin_object();
    w.field("primary", db::name_of(state.primary));
    w.field("epoch", state.epoch);
    w.field("promotable", state.promotable);
    w.end_object();
    return write_file_durably(path, std::move(w).take() + "\n", 0640, owner);
}

namespace {

PairMove of_a_lost_primary(const PairState& state, const PairFacts& facts,
                           const FailoverLimits& limits) {
    if (state.promotable && facts.standby_silent <= limits.witness_max) return PairMove::Promote;
    if (facts.primary_runs && facts.primary_mute > limits.mute_max) return PairMove::RestartPrimary;
    return PairMove::None;
}

/// Commits wait in vain, or what they should wait for is not so.
bool must_degrade(const PairState& state, const PrimarySays& primary, bool away) {
    if (state.promotable) return away || !primary.commits_wait;
    return primary.commits_wait && (away || !primary.standby_caught_up);
}

} // namespace

PairMove next_move(const PairState& state, const PairFacts& facts, const FailoverLimits& limits) {
    if (!facts.primary_runs || facts.primary_silent > limits.silence_max)
        return of_a_lost_primary(state, facts, limits);
    if (!facts.primary) return PairMove::None; // it is asked again
    const PrimarySays& primary = *facts.primary;
    if (primary.in_recovery) return PairMove::FinishPromotion;
    const bool away = primary.standby_away > limits.standby_away_max;
    if (must_degrade(state, primary, away)) return PairMove::Degrade;
    if (!primary.slot_good) return PairMove::MakeSlot;
    if (!primary.settled) return PairMove::Checkpoint;
    if (!state.promotable && primary.standby_caught_up && !away) return PairMove::Resynchronize;
    if (facts.standby_useless > limits.standby_useless_max) return PairMove::RemakeStandby;
    if (facts.standby_mute > limits.mute_max) return PairMove::RestartStandby;
    return PairMove::None;
}

std::string_view against_switchover(const PairState& state, const PairFacts& facts,
                                    const FailoverLimits& limits) {
    if (!facts.primary_runs || !facts.primary || facts.primary_silent > limits.witness_max)
        return "the primary does not answer";
    if (facts.primary->in_recovery) return "the primary has been promoted just now";
    if (facts.standby_silent > limits.witness_max) return "the standby does not answer";
    if (!state.promotable || !facts.primary->commits_wait || !facts.primary->standby_caught_up)
        return "the standby does not have every commit";
    return {};
}

} // namespace holdfast::app
