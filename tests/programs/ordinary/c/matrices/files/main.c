#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIZE = 4 };
typedef double matrix[SIZE][SIZE];

static void multiply(matrix a, matrix b, matrix result) {
    matrix product = {{0}};
    for (int i = 0; i < SIZE; i++)
        for (int k = 0; k < SIZE; k++)
            for (int j = 0; j < SIZE; j++) product[i][j] += a[i][k] * b[k][j];
    memcpy(result, product, sizeof product);
}

int main(void) {
    matrix power, base;
    for (int i = 0; i < SIZE; i++)
        for (int j = 0; j < SIZE; j++) {
            power[i][j] = i == j;
            base[i][j] = (i * SIZE + j) / 16.0 - 0.25;
        }
    for (int n = 0; n < 20; n++) multiply(power, base, power);
    for (int i = 0; i < SIZE; i++) {
        for (int j = 0; j < SIZE; j++) printf("%14.6f", power[i][j]);
        putchar('\n');
    }
    printf("%.17g %e %g %a\n", 0.1, 12345.678, 1e-10, 1.5);
    printf("%f %.0f %5.1f|%-8.3f|%+d\n", 1.0 / 3, 2.5, 9.96, M_PI, 7);
    printf("%g %g %g\n", INFINITY, -INFINITY, sqrt(2));
    return 0;
}
