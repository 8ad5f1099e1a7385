package com.acme.geometry;

public sealed interface Shape permits Circle, Rectangle {
    double area();
}
