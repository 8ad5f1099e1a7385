#if __INCLUDE_LEVEL__ < 36
#include "twice.h"
#include "twice.h"
#endif
