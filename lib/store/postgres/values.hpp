// Parameters of a statement, in PostgreSQL's binary form.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ble {

// Numbers are bigint, flags smallint 0 or 1, texts text, bytes bytea, and vectors arrays of those.
class Values {
  public:
    struct Bytes {
        std::string_view bytes;
    };

    Values() = default;
    template <class... All>
    static Values of(const All &...all) {
        Values values;
        (values.add(all), ...);
        return values;
    }

    void add(std::int64_t number);
    void add(bool flag);
    void add(std::string_view text);
    void add(const std::string &text) { add(std::string_view(text)); }
    void add(Bytes bytes) { add(bytes.bytes); }
    void add(const std::vector<std::int64_t> &numbers);
    void add(const std::vector<std::optional<std::int64_t>> &numbers);
    void add(const std::vector<std::string_view> &texts);
    void add(const std::vector<Bytes> &all);
    template <class T>
    void add(const std::optional<T> &value) {
        if (value) {
            add(*value);
        } else {
            ends_.push_back(null);
        }
    }

    int count() const { return static_cast<int>(ends_.size()); }
    // As PQsendQueryPrepared() wants them; valid until the next add().
    std::vector<const char *> values() const;
    std::vector<int> lengths() const;

  private:
    static constexpr std::size_t null = SIZE_MAX;

    std::string bytes_;
    std::vector<std::size_t> ends_;  // of each in bytes_; or null
};

// Rows for COPY … (FORMAT binary).
class CopyRows {
  public:
    void begin_row(std::int16_t columns);
    void add(std::int64_t number);
    void add_int(std::int32_t number);
    void add_small(std::int16_t number);
    void add(std::string_view bytes);
    void add_null();
    void add(const std::vector<std::int64_t> &numbers);
    template <class T>
    void add(const std::optional<T> &value) {
        if (value) {
            add(static_cast<std::int64_t>(*value));
        } else {
            add_null();
        }
    }

    std::string_view bytes() const { return bytes_; }
    std::int64_t rows() const { return rows_; }
    void clear() {
        bytes_.clear();
        rows_ = 0;
    }

  private:
    std::string bytes_;
    std::int64_t rows_ = 0;
};

}  // namespace ble
