#pragma once

// The checks of audit.h over a ModelWorld.

#include "store/audit_report.h"

namespace holdfast::store {

struct ModelWorld;
AuditReport audit_model(const ModelWorld& world);

} // namespace holdfast::store
