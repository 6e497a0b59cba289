#pragma once

// Wire: the JSON messages of the acquirer protocol (docs/reference/acquirer-protocol.md), both
// directions, for client and server alike. Pure.
//
// Amounts are integers in the currency's minor unit; times are integers, microseconds since 1970.
// Unknown members are ignored, so that either side can be the newer one; a member that is missing
// or of the wrong type is an error. decode_* of what encode_* made gives the same value, of an
// Operation only the part that the acquirer needs to know.
//
// Errors: Invalid, "json_invalid", "json_limit", "json_field", "message_invalid".

#include "gateway/connector.h"

#include <string>
#include <string_view>

namespace holdfast::gateway {

std::string encode_operation(const core::Operation& operation);
Result<core::Operation> decode_operation(std::string_view json);

std::string encode_answer(const AcquirerAnswer& answer);
Result<AcquirerAnswer> decode_answer(std::string_view json);

struct TokenizeMessage {
    Id<core::Account> account;
    CardData card;
};
std::string encode_tokenize(const TokenizeMessage& message);
Result<TokenizeMessage> decode_tokenize(std::string_view json);

std::string encode_vaulted(const Vaulted& vaulted);
Result<Vaulted> decode_vaulted(std::string_view json);

std::string encode_lines(const std::vector<BookLine>& lines);
Result<std::vector<BookLine>> decode_lines(std::string_view json);

/// {"error":{"code","message","param"}} and its HTTP status. A status of 4xx or 503 says that
/// nothing was done; the class of any other is Unknown.
std::string encode_error(const Error& error);
int error_status(const Error& error);
Result<Error> decode_error(int status, std::string_view json);

std::string_view to_string(Finding finding);

} // namespace holdfast::gateway
