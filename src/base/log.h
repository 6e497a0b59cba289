#pragma once

// Log: structured events, one JSON object a line.
//
//   log::warn("batch_failed", {log::request(id), {"commands", batch.size()}, {"error", text}});
//   {"time":"2026-11-21T09:43:12.123456Z","level":"warn","event":"batch_failed","request":"req_…"}
//
// `event` is snake_case and stable, like an error code; what varies goes into fields. Values are
// text, integers, truth values, ids; everything is escaped, invalid UTF-8 as well. Card numbers,
// bodies and secrets never go in: Secret<> has no form here.
//
// Every event, also a debug one, goes to the FlightRecorder (memory); those at or above the level
// go through a bounded ring to one writer thread and from there to stderr or a file. Callers never
// wait: what does not fit is dropped and counted, and the log says how many were.
//
// Any thread may log. Before start() and under a simulated Env there is no writer, only the
// recorder. When a CHECK fails or the process gets a fatal signal, the recorder's events are
// written to `crash_file` (or stderr) as a JSON array; a BUG is logged as an error.
//
// Limits: a line has at most line_bytes_max; longer texts are cut, further fields left out, and the
// line says "truncated":true.

#include "base/id.h"
#include "base/result.h"

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace holdfast::log {

enum class Level : std::uint8_t { Debug, Info, Warn, Error };

std::string_view to_string(Level level);
std::optional<Level> parse_level(std::string_view text);

inline constexpr std::size_t line_bytes_max = 8 << 10;
inline constexpr std::size_t text_bytes_max = 2 << 10; ///< of one field
inline constexpr std::size_t ring_lines = 4096;
inline constexpr std::size_t recorded_events = 2048;

/// What a field can hold. Refers to its text: lives no longer than the call.
class Value {
  public:
    enum class Kind : std::uint8_t { Text, Signed, Unsigned, Truth, Id };

    template <std::integral T>
        requires(!std::same_as<T, bool> && !std::same_as<T, char>)
    Value(T number)
        : kind_(std::is_signed_v<T> ? Kind::Signed : Kind::Unsigned),
          number_(static_cast<std::uint64_t>(number)) {}
    template <std::same_as<bool> T> Value(T truth) : kind_(Kind::Truth), number_(truth) {}
    Value(std::string_view text) : text_(text) {}
    Value(const std::string& text) : text_(text) {}
    Value(const char* text) : text_(text) {}
    Value(const Uuid& id, std::string_view prefix = {})
        : kind_(Kind::Id), text_(prefix), id_(&id) {}
    template <class T> Value(const holdfast::Id<T>& id) : Value(id.uuid(), T::id_prefix) {}

    Kind kind() const { return kind_; }
    std::string_view text() const { return text_; }
    std::uint64_t number() const { return number_; }
    const Uuid& id() const { return *id_; }

  private:
    Kind kind_ = Kind::Text;
    std::string_view text_; ///< of an Id: its prefix
    std::uint64_t number_ = 0;
    const Uuid* id_ = nullptr;
};

struct Field {
    std::string_view name;
    Value value;
};
using Fields = std::initializer_list<Field>;

/// The field by which all lines of one API request are found.
inline Field request(const Uuid& id) { return {"request", Value(id, "req_")}; }

void write(Level level, std::string_view event, Fields fields);
inline void debug(std::string_view event, Fields fields = {}) {
    write(Level::Debug, event, fields);
}
inline void info(std::string_view event, Fields fields = {}) { write(Level::Info, event, fields); }
inline void warn(std::string_view event, Fields fields = {}) { write(Level::Warn, event, fields); }
inline void error(std::string_view event, Fields fields = {}) {
    write(Level::Error, event, fields);
}

struct Options {
    Level level = Level::Info;
    std::string file;       ///< appended to; empty: stderr
    std::string crash_file; ///< empty: stderr
    bool handle_crashes = true;
};

/// Starts the writer; once per process, from main. Error "log_file" when the file can't be opened.
Result<void> start(const Options& options);
/// Writes what is queued and ends the writer.
void stop();
/// Waits until what was logged before is written.
void flush();
/// Opens the file anew, after it was rotated.
void reopen();
void set_level(Level level);
Level level();

/// Lines that did not make it to the file, since start.
std::uint64_t dropped_lines();
/// The recorder's events, oldest first, as a JSON array.
std::string recorded_json();

} // namespace holdfast::log
