#pragma once

// Result<T> and Error: how every fallible function of Holdfast answers.
//
// A Result<T> holds a T or an Error and can't be dropped silently ([[nodiscard]], also behind
// co_await). Exceptions never cross a folder; what a library throws is caught where it is called.
// Three levels of failure:
//   CHECK(x)   a broken invariant: logs and stops the process, in production too
//   BUG(...)   a bug that can be survived: logged, counted and alarmed, then we go on
//   Result     everything that can happen to a correct program
//
//   Result<Money> total(Money a, Money b) {
//       TRY(Money sum, checked_add(a, b));   // returns the Error to the caller
//       return sum;
//   }
// Inside a coroutine use CO_TRY.

#include <concepts>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace holdfast {

/// Who can do something about an error; decides the HTTP status at the edge.
enum class ErrorClass : std::uint8_t {
    Invalid,     ///< the request is wrong: 400
    Auth,        ///< no or bad credentials: 401
    Forbidden,   ///< known, but not allowed: 403
    NotFound,    ///< 404
    Conflict,    ///< the state of the object or a key in use: 409, or 400 by code
    Declined,    ///< the issuer said no: 402
    Overload,    ///< a limit of ours was reached; nothing was done: 429 or 503
    Deadline,    ///< the time given was used up before anything was done
    Unavailable, ///< a peer (database, acquirer) is away; nothing was done: 503
    Unknown,     ///< we can't tell whether it was done (lost answer of a COMMIT or authorization)
    Io,          ///< the operating system refused
    Bug,         ///< ours: 500
};

/// `code` is stable and machine readable (snake_case, asserted by tests); `message` is for people
/// and says what to do next. `sqlstate` is set when PostgreSQL raised it, `param` when a request
/// parameter is to blame.
struct [[nodiscard]] Error {
    ErrorClass kind = ErrorClass::Bug;
    std::string code;
    std::string message;
    bool retryable = false;
    std::string sqlstate;
    std::string param;
};

std::string_view to_string(ErrorClass kind);

/// "not_found: No such customer: 'cus_x' (sqlstate 42P01)", for logs.
std::string to_string(const Error& error);

template <class T> class [[nodiscard]] Result : public std::expected<T, Error> {
  public:
    using Base = std::expected<T, Error>;
    using Base::Base;
    Result(Base&& base) : Base(std::move(base)) {}
};

inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }
inline std::unexpected<Error> fail(ErrorClass kind, std::string code, std::string message) {
    return fail(Error{.kind = kind, .code = std::move(code), .message = std::move(message)});
}

namespace detail {
[[noreturn]] void check_failed(const char* expression, const char* file, int line,
                               std::string_view note);
void bug_found(const char* file, int line, std::string_view note);
} // namespace detail

/// Number of BUG() hits since start, exported as holdfast_bugs_total.
std::uint64_t bugs_found();

/// Who is told, once, before a broken invariant stops the process, and of each bug survived; the
/// log installs itself here (base/log.cc), so that result.h depends on nothing.
struct FailureHooks {
    void (*before_abort)(std::string_view what) = nullptr;
    void (*on_bug)(std::string_view what) = nullptr;
};
void set_failure_hooks(FailureHooks hooks);

} // namespace holdfast

#define HF_CONCAT2(a, b) a##b
#define HF_CONCAT(a, b) HF_CONCAT2(a, b)

#define HF_TRY_IMPL(ret, tmp, declaration, expression)                     \
    auto tmp = (expression);                                               \
    if (!tmp.has_value()) ret ::std::unexpected(::std::move(tmp).error()); \
    declaration = ::std::move(*tmp)

/// TRY(auto x, f()); binds the value or returns the error. TRY_VOID(f()); for Result<void>.
#define TRY(declaration, expression) \
    HF_TRY_IMPL(return, HF_CONCAT(hf_try_, __COUNTER__), declaration, expression)
#define CO_TRY(declaration, expression) \
    HF_TRY_IMPL(co_return, HF_CONCAT(hf_try_, __COUNTER__), declaration, expression)

#define HF_TRY_VOID_IMPL(ret, tmp, expression)                                 \
    do {                                                                       \
        auto tmp = (expression);                                               \
        if (!tmp.has_value()) ret ::std::unexpected(::std::move(tmp).error()); \
    } while (false)
#define TRY_VOID(expression) HF_TRY_VOID_IMPL(return, HF_CONCAT(hf_try_, __COUNTER__), expression)
#define CO_TRY_VOID(expression) \
    HF_TRY_VOID_IMPL(co_return, HF_CONCAT(hf_try_, __COUNTER__), expression)

#define CHECK(condition)                                                          \
    do {                                                                          \
        if (!(condition)) [[unlikely]]                                            \
            ::holdfast::detail::check_failed(#condition, __FILE__, __LINE__, {}); \
    } while (false)
#define CHECK_MSG(condition, note)                                                  \
    do {                                                                            \
        if (!(condition)) [[unlikely]]                                              \
            ::holdfast::detail::check_failed(#condition, __FILE__, __LINE__, note); \
    } while (false)
#define BUG(note) ::holdfast::detail::bug_found(__FILE__, __LINE__, note)
