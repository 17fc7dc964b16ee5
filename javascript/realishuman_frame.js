/* Which part of a picture a canvas shows, and at what size: zoom and pan. */

window.realishuman = window.realishuman || {};

(function() {
    const MOST = 24; // pixels on the screen for one of the picture
    const AROUND = 0.03; // of a box, that is shown on each side of it

    window.realishuman.Frame = class {
        // canvas: the element it is seen in; changed: called whenever the place has changed
        constructor(canvas, changed) {
            Object.assign(this, {canvas, changed, width: 1, height: 1, scale: 1, left: 0, top: 0});
            this.shown = null; // what show was called with; undefined once it was zoomed by hand
            new ResizeObserver(() => (this.shown === undefined ? this._settle() : this.show(this.shown))).observe(canvas);
        }

        setPicture(width, height) {
            Object.assign(this, {width, height});
            this.show(null);
        }

        get room() {
            return [Math.max(this.canvas.clientWidth, 1), Math.max(this.canvas.clientHeight, 1)];
        }

        get least() {
            return Math.min(this.room[0] / this.width, this.room[1] / this.height);
        }

        get isWhole() {
            return this.scale <= this.least * 1.001;
        }

        // Show a box [left, top, right, bottom] as large as it fits; null is all of the picture.
        show(box) {
            this.shown = box;
            const [wide, high] = this.room;
            const [x0, y0, x1, y1] = box || [0, 0, this.width, this.height];
            const around = box ? 1 + 2 * AROUND : 1;
            const fits = Math.min(wide / ((x1 - x0) * around), high / ((y1 - y0) * around));
            this.scale = Math.max(Math.min(fits, MOST), this.least);
            this.left = wide / 2 - this.scale * (x0 + x1) / 2;
            this.top = high / 2 - this.scale * (y0 + y1) / 2;
            this._settle();
        }

        // Zoom by a factor; the point x, y of the canvas stays where it is.
        zoom(factor, x = this.room[0] / 2, y = this.room[1] / 2) {
            const scale = Math.max(Math.min(this.scale * factor, MOST), this.least);
            this.left = x - (x - this.left) * scale / this.scale;
            this.top = y - (y - this.top) * scale / this.scale;
            this.scale = scale;
            this.shown = undefined;
            this._settle();
        }

        pan(x, y) {
            this.left += x;
            this.top += y;
            this.shown = undefined;
            this._settle();
        }

        // Where an event points to, in pixels of the picture.
        at(event) {
            const [x, y] = this.onCanvas(event);
            return [(x - this.left) / this.scale, (y - this.top) / this.scale];
        }

        onCanvas(event) {
            const place = this.canvas.getBoundingClientRect();
            return [event.clientX - place.left - this.canvas.clientLeft, event.clientY - place.top - this.canvas.clientTop];
        }

        _settle() {
            // A picture smaller than the canvas stands in its middle, a larger one leaves no gap.
            const settle = (start, size, room) =>
                (size <= room ? (room - size) / 2 : Math.min(0, Math.max(room - size, start)));
            this.left = settle(this.left, this.width * this.scale, this.room[0]);
            this.top = settle(this.top, this.height * this.scale, this.room[1]);
            this.changed();
        }
    };
})();
