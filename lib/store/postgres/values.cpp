#include "store/postgres/values.hpp"

#include <concepts>
#include <cstring>

namespace ble {
namespace {

// In catalog/pg_type.dat of PostgreSQL: of a type that is built in, for ever.
constexpr std::uint32_t int8_type = 20, text_type = 25, bytea_type = 17;

template <std::unsigned_integral Number>
void put_number(std::string &to, Number number) {
    char bytes[sizeof(Number)];
    for (std::size_t i = sizeof(Number); i-- > 0;
         number = static_cast<Number>(number >> (sizeof(Number) > 1 ? 8 : 0)))
        bytes[i] = static_cast<char>(number & 0xff);
    to.append(bytes, sizeof(Number));
}

void put16(std::string &to, std::int16_t number) {
    put_number(to, static_cast<std::uint16_t>(number));
}
void put32(std::string &to, std::int32_t number) {
    put_number(to, static_cast<std::uint32_t>(number));
}
void put64(std::string &to, std::int64_t number) {
    put_number(to, static_cast<std::uint64_t>(number));
}

void put_element(std::string &to, std::int64_t number) {
    put32(to, 8);
    put64(to, number);
}

void put_element(std::string &to, const std::optional<std::int64_t> &number) {
    if (number) {
        put_element(to, *number);
    } else {
        put32(to, -1);
    }
}

void put_element(std::string &to, std::string_view bytes) {
    put32(to, static_cast<std::int32_t>(bytes.size()));
    to.append(bytes);
}

// One dimension that begins at 1; has_nulls is a hint that no server reads.
template <class T>
void put_array(std::string &to, std::uint32_t type, const std::vector<T> &all) {
    put32(to, all.empty() ? 0 : 1);
    put32(to, 0);
    put_number(to, type);
    if (all.empty()) return;
    put32(to, static_cast<std::int32_t>(all.size()));
    put32(to, 1);
    for (const auto &one : all) put_element(to, one);
}

}  // namespace

void Values::add(std::int64_t number) {
    put64(bytes_, number);
    ends_.push_back(bytes_.size());
}

void Values::add(bool flag) {
    put16(bytes_, flag ? 1 : 0);
    ends_.push_back(bytes_.size());
}

void Values::add(std::string_view text) {
    bytes_.append(text);
    ends_.push_back(bytes_.size());
}

void Values::add(const std::vector<std::int64_t> &numbers) {
    put_array(bytes_, int8_type, numbers);
    ends_.push_back(bytes_.size());
}

void Values::add(const std::vector<std::optional<std::int64_t>> &numbers) {
    put_array(bytes_, int8_type, numbers);
    ends_.push_back(bytes_.size());
}

void Values::add(const std::vector<std::string_view> &texts) {
    put_array(bytes_, text_type, texts);
    ends_.push_back(bytes_.size());
}

void Values::add(const std::vector<Bytes> &all) {
    std::vector<std::string_view> plain;
    plain.reserve(all.size());
    for (const auto &one : all) plain.push_back(one.bytes);
    put_array(bytes_, bytea_type, plain);
    ends_.push_back(bytes_.size());
}

std::vector<const char *> Values::values() const {
    std::vector<const char *> out;
    std::size_t begin = 0;
    for (const auto end : ends_) {
        out.push_back(end == null ? nullptr : bytes_.data() + begin);
        if (end != null) begin = end;
    }
    return out;
}

std::vector<int> Values::lengths() const {
    std::vector<int> out;
    std::size_t begin = 0;
    for (const auto end : ends_) {
        out.push_back(end == null ? 0 : static_cast<int>(end - begin));
        if (end != null) begin = end;
    }
    return out;
}

void CopyRows::begin_row(std::int16_t columns) {
    put16(bytes_, columns);
    ++rows_;
}

void CopyRows::add(std::int64_t number) {
    put_element(bytes_, number);
}

void CopyRows::add_int(std::int32_t number) {
    put32(bytes_, 4);
    put32(bytes_, number);
}

void CopyRows::add_small(std::int16_t number) {
    put32(bytes_, 2);
    put16(bytes_, number);
}

void CopyRows::add(std::string_view bytes) {
    put_element(bytes_, bytes);
}

void CopyRows::add_null() {
    put32(bytes_, -1);
}

void CopyRows::add(const std::vector<std::int64_t> &numbers) {
    std::string array;
    put_array(array, int8_type, numbers);
    add(std::string_view(array));
}

}  // namespace ble
