int main(void) {
    return
#include "open.h"
        0
#include "close.h"
        ;
}
