#include "app/failover.h"

#include "base/files.h"
#include "base/json.h"
#include "base/json_writer.h"

#include <fmt/format.h>
#include <boost/json/value.hpp>

#include <unistd.h>

namespace holdfast::app {

Result<PairState> load_pair_state(const std::string& path) {
    if (::access(path.c_str(), F_OK) != 0) return PairState{};
    TRY(std::string text, read_file(path));
    const auto invalid = [&path] {
        return fail(ErrorClass::Invalid, "cluster_state_invalid",
                    fmt::format("{} does not say which database is the primary; restore it, or "
                                "write it by hand: {{\"primary\":\"a\",\"epoch\":1,"
                                "\"promotable\":false}}",
                                path));
    };
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

PairMove next_move(const PairState& state, const PairFacts& facts, const FailoverLimits& limits) {
    const bool primary_lost = !facts.primary_runs || facts.primary_silent > limits.silence_max;
    if (primary_lost) {
        const bool can_take_over = state.promotable && facts.standby_silent <= limits.witness_max;
        return can_take_over ? PairMove::Promote : PairMove::None;
    }
    if (state.promotable)
        return facts.standby_away > limits.standby_away_max ? PairMove::Degrade : PairMove::None;
    return facts.standby_caught_up ? PairMove::Resynchronize : PairMove::None;
}

} // namespace holdfast::app
