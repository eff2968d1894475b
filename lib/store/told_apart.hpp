// Separates trouble that may pass by itself from other errors.
#pragma once

#include "base/database_error.hpp"
#include "store/store.hpp"

namespace ble {

template <class Body>
auto told_apart(Body body) {
    try {
        return body();
    } catch (const DatabaseError &error) {
        using Kind = DatabaseError::Kind;
        if (error.kind() == Kind::trouble || error.kind() == Kind::collision)
            throw StoreTrouble(error.code(), error.what());
        throw;
    }
}

}  // namespace ble
