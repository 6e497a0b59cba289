#include "core/command.h"

#include "core/detail/fields.h"

namespace holdfast::core {
namespace {

constexpr std::uint8_t command_version = 1;

// In the order of CommandBody.
constexpr auto command_names = std::to_array<std::string_view>(
    {"create_customer", "update_customer", "delete_customer", "create_token",
     "create_payment_method", "update_payment_method", "attach_payment_method",
     "detach_payment_method", "create_payment_intent", "update_payment_intent",
     "confirm_payment_intent", "capture_payment_intent", "cancel_payment_intent", "update_charge",
     "create_refund", "update_refund", "record_outcome", "claim_operation"});
static_assert(command_names.size() == std::variant_size_v<CommandBody>);

} // namespace

void MetadataChange::apply_to(Metadata& target) const {
    if (clear) target.clear();
    for (const auto& [key, value] : set) {
        if (value)
            target.insert_or_assign(key, *value);
        else
            target.erase(key);
    }
}

RecordOutcome record_outcome(const Operation& operation, OperationOutcome outcome) {
    return {.payment_intent = operation.payment_intent,
            .operation = operation.id,
            .refund = operation.refund,
            .outcome = std::move(outcome),
            .save_payment_method = operation.save_payment_method};
}

std::string_view name_of(const Command& command) { return command_names.at(command.body.index()); }

std::string encode(const Command& command) { return encode_versioned(command_version, command); }

Result<Command> decode_command(std::string_view bytes) {
    return decode_versioned<Command>(bytes, command_version, "command");
}

} // namespace holdfast::core
