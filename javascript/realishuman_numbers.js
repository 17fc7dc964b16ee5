/* Numbers that are left to the pack: their sliders show what is in effect, greyed until touched. */

(function() {
    const isSet = (text) => text !== "" && text !== null && Number.isFinite(Number(text));

    // What a slider that was moved writes into the text that is sent; an emptied one leaves it.
    window.realishuman_number_set = function(value) {
        return isSet(value) ? String(value) : "auto";
    };

    /* The numbers to show, in the order of `rows`: [name, place of the general number or -1].
       `held`: the numbers in effect as JSON, then each number's text, then general numbers. */
    window.realishuman_numbers = function(prefix, rows, held) {
        const effects = JSON.parse(held[0] || "{}");
        const texts = held.slice(1);
        return rows.map(([name, general], place) => {
            const above = general < 0 ? "auto" : texts[general];
            const [usual, words] = effects[name] || [null, ""];
            const left = isSet(above) ? Number(above) : usual;
            const own = isSet(texts[place]);
            mark(document.getElementById(`${prefix}${name}_number`), own, isSet(above) ? "" : words, left);
            if (own) return Number(texts[place]);
            return left === null ? shown(`${prefix}${name}`) : left;
        });
    };

    function shown(id) {
        const number = document.querySelector(`#${id} input[type=number]`);
        return number ? Number(number.value) : 0;
    }

    function mark(box, own, words, left) {
        if (!box) return;
        box.classList.toggle("rh-own", own);
        box.dataset.words = words;
        const back = box.querySelector(".rh-back");
        if (back && left !== null) {
            back.title = `Back to ${words || left}`;
            back.setAttribute("aria-label", back.title);
        }
    }
})();
